"""Telling people that a run failed or a gate blocked: a webhook (Slack's JSON) and e-mail, where they are configured.

Belongs here: the message, and bringing it on its way. Does not belong here: what failed (see `daily`, and the sensor in
`defs.automation`). Nothing personal leaves by this way: rows are named by file and number, never by a value.
"""

import re
import smtplib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from email.message import EmailMessage
from urllib.parse import parse_qs, unquote, urlsplit

from orchestration.config import Settings
from orchestration.errors import KindredError

TIMEOUT_SECONDS = 10.0
ATTEMPTS = 3
# Slack shows at most 3000 characters in a block.
_MAX_TEXT = 2900
# What DuckDB, dbt and Python say of a value that they cannot take.
_ENGINE_ERROR = re.compile(
    r"\b\w*(?:Error|Exception|error)\b|LINE \d+:|could not convert|dbt \w+ failed", re.IGNORECASE
)
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")
_EMAIL = re.compile(r"\S+@\S+")


class NotifyError(KindredError):
    """An address for notifications that cannot be understood."""


@dataclass(frozen=True)
class Problem:
    """One step that failed or one gate that blocked."""

    where: str
    """Stage and step, for people."""
    message: str
    """What it said, without values of rows."""


@dataclass(frozen=True)
class Notice:
    """What is to be told of one run."""

    load_date: date | None
    run_id: str
    problems: tuple[Problem, ...]

    @property
    def title(self) -> str:
        """One line: which day, and what is the matter."""
        what = f"{self.load_date} was not published" if self.load_date else "a run failed"
        return f"Kindred: {what} ({len(self.problems)} problem{'s' if len(self.problems) != 1 else ''})"

    def text(self, ui_url: str) -> str:
        """The whole message: each problem with the places of its rows, and the way to the run."""
        parts = [f"{problem.where}\n{problem.message}" for problem in self.problems]
        return "\n\n".join([*parts, f"Run: {run_link(ui_url, self.run_id)}"])


def run_link(ui_url: str, run_id: str) -> str:
    """The run's page in the Dagster UI."""
    return f"{ui_url.rstrip('/')}/runs/{run_id}"


@dataclass(frozen=True)
class Mail:
    """A mail server and whom to write to: `smtp://user:password@host:port/?from=..&to=..` (or `smtps://`)."""

    host: str
    port: int
    user: str | None
    password: str | None
    sender: str
    recipients: tuple[str, ...]
    tls_from_the_start: bool


def parse_smtp_url(url: str) -> Mail:
    """Take KINDRED_SMTP_URL apart. `to` may stand several times, or hold several addresses between commas.

    Raises NotifyError, which never shows the address: it holds a password.
    """
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    sender = query.get("from", [""])[0]
    recipients = tuple(
        address.strip() for item in query.get("to", []) for address in item.split(",") if address.strip()
    )
    try:
        port = parts.port
    except ValueError as error:
        raise NotifyError("KINDRED_SMTP_URL: the port is no number") from error
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or not sender or not recipients:
        raise NotifyError(
            "KINDRED_SMTP_URL is not understood; it has the form smtp://user:password@host:587/?from=a@x.org&to=b@x.org"
        )
    secure = parts.scheme == "smtps"
    return Mail(
        host=parts.hostname,
        port=port or (465 if secure else 587),
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        sender=sender,
        recipients=recipients,
        tls_from_the_start=secure,
    )


def send(settings: Settings, notice: Notice) -> list[str]:
    """Send the notice by every way that is configured; with none it does nothing.

    Never raises: what could not be sent is answered as one line for each way, without addresses, which are secrets.
    """
    ways: list[tuple[str, Callable[[], None]]] = []
    if settings.webhook_url:
        url = settings.webhook_url
        ways.append(("the webhook", lambda: _post(url, notice, settings.ui_url)))
    if settings.smtp_url:
        smtp_url = settings.smtp_url
        ways.append(("e-mail", lambda: _mail(parse_smtp_url(smtp_url), notice, settings.ui_url)))
    failed = []
    for name, way in ways:
        try:
            way()
        except NotifyError as error:
            failed.append(f"nobody was told by {name}: {error}")
        except Exception as error:
            failed.append(f"nobody was told by {name}: {_reason(error)}")
    return failed


def _reason(error: Exception) -> str:
    """Why, without the address: exceptions of HTTP and SMTP quote it, and with it its token."""
    status = getattr(getattr(error, "response", None), "status_code", None) or getattr(error, "smtp_code", None)
    return f"{type(error).__name__}{f' {status}' if status else ''}"


def _post(url: str, notice: Notice, ui_url: str) -> None:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3 import Retry

    retry = Retry(
        total=ATTEMPTS - 1,
        backoff_factor=0.5,
        status_forcelist=(429, 500, 502, 503, 504),
        allowed_methods=None,
        respect_retry_after_header=False,
    )
    with requests.Session() as session:
        # Neither a proxy's nor a netrc's credentials belong to a webhook.
        session.trust_env = False
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=retry))
        answer = session.post(url, json=slack_message(notice, ui_url), timeout=TIMEOUT_SECONDS, allow_redirects=False)
        answer.raise_for_status()


def slack_message(notice: Notice, ui_url: str) -> dict[str, object]:
    """The notice as Slack's incoming webhooks take it; others show `text`."""
    text = notice.text(ui_url)
    shown = (
        text
        if len(text) <= _MAX_TEXT
        else f"{text[:_MAX_TEXT]}\n… the rest is in the run: {run_link(ui_url, notice.run_id)}"
    )
    return {
        "text": f"{notice.title}\n{shown}",
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": notice.title[:150]}},
            {"type": "section", "text": {"type": "plain_text", "text": shown}},
        ],
    }


def _mail(mail: Mail, notice: Notice, ui_url: str) -> None:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = notice.title, mail.sender, ", ".join(mail.recipients)
    message.set_content(notice.text(ui_url))
    connect = smtplib.SMTP_SSL if mail.tls_from_the_start else smtplib.SMTP
    with connect(mail.host, mail.port, timeout=TIMEOUT_SECONDS) as server:
        server.ehlo()
        if not mail.tls_from_the_start and server.has_extn("starttls"):
            import ssl

            server.starttls(context=ssl.create_default_context())
            server.ehlo()
        if mail.user and mail.password:
            server.login(mail.user, mail.password)
        server.send_message(message)


def problems_of(steps: Sequence[tuple[str, str, str]]) -> tuple[Problem, ...]:
    """Problems of (stage, step, message), in their order.

    Gates and the loader word their messages without values. What a database or a library says may quote one.
    """
    return tuple(
        Problem(f"{stage}, {step}" if stage else step, without_values(message)) for stage, step, message in steps
    )


def without_values(message: str) -> str:
    """The message; when it is not worded by us, without what stands in quotes and without e-mail addresses."""
    if _ENGINE_ERROR.search(message) is None:
        return message
    return _EMAIL.sub("…", _QUOTED.sub("'…'", message))

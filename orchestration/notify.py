"""Telling people that a run failed or a gate blocked: a webhook (Slack's JSON) and e-mail, where they are configured.

Belongs here: the message, and bringing it on its way. Does not belong here: what failed (see `daily`, and the sensor in
`defs.automation`). Nothing personal leaves by this way: rows are named by file and number, never by a value.
"""

import hashlib
import re
import smtplib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

from orchestration.config import Settings
from orchestration.errors import KindredError

if TYPE_CHECKING:
    import ssl

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
_THIS_MACHINE = ("127.0.0.1", "localhost", "::1")
# Set on an exception of which people have been told, so that whoever hears of it next tells nobody again.
_TOLD = "kindred_told"


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
    run_id: str | None
    """None when the failure came before a run began."""
    problems: tuple[Problem, ...]

    @property
    def title(self) -> str:
        """One line: which day, and what is the matter."""
        failed = "a run failed" if self.run_id else "no run could begin"
        what = f"{self.load_date} was not published" if self.load_date else failed
        return f"Kindred: {what} ({len(self.problems)} problem{'s' if len(self.problems) != 1 else ''})"

    def text(self, ui_url: str) -> str:
        """The whole message: each problem with the places of its rows, and the way to the run."""
        parts = [f"{problem.where}\n{problem.message}" for problem in self.problems]
        return "\n\n".join([*parts, self.whereabouts(ui_url)])

    def whereabouts(self, ui_url: str) -> str:
        """Where to look further."""
        if self.run_id is None:
            return "This failed before a run began, so that there is no page of it. `kindred doctor` looks for causes."
        return f"Run: {run_link(ui_url, self.run_id)}"


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
        ca = settings.smtp_ca_file
        ways.append(("e-mail", lambda: _mail(parse_smtp_url(smtp_url), notice, settings.ui_url, ca)))
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
    shown = text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}\n… and more. {notice.whereabouts(ui_url)}"
    return {
        "text": f"{notice.title}\n{shown}",
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": notice.title[:150]}},
            {"type": "section", "text": {"type": "plain_text", "text": shown}},
        ],
    }


def _mail(mail: Mail, notice: Notice, ui_url: str, ca_file: Path | None) -> None:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = notice.title, mail.sender, ", ".join(mail.recipients)
    message.set_content(notice.text(ui_url))
    with _connected(mail, _trust(ca_file)) as server:
        if mail.user and mail.password:
            server.login(mail.user, mail.password)
        server.send_message(message)


def _trust(ca_file: Path | None) -> "ssl.SSLContext":
    """Certificates are verified, against the machine's authorities or one's own."""
    import ssl

    try:
        return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except (OSError, ssl.SSLError) as error:
        raise NotifyError(f"KINDRED_SMTP_CA_FILE: {ca_file} holds no certificates that can be read") from error


@contextmanager
def _connected(mail: Mail, trust: "ssl.SSLContext") -> Iterator[smtplib.SMTP]:
    """A connection, encrypted from the start or as soon as the server offers it.

    Raises NotifyError when a password would go over the network in the clear.
    """
    if mail.tls_from_the_start:
        with smtplib.SMTP_SSL(mail.host, mail.port, timeout=TIMEOUT_SECONDS, context=trust) as server:
            server.ehlo()
            yield server
        return
    with smtplib.SMTP(mail.host, mail.port, timeout=TIMEOUT_SECONDS) as server:
        server.ehlo()
        if server.has_extn("starttls"):
            server.starttls(context=trust)
            server.ehlo()
        elif mail.password and mail.host not in _THIS_MACHINE:
            # Whoever stands between can take the offer of encryption out of the server's answer.
            raise NotifyError("the mail server offers no STARTTLS, and the password is not sent in the clear")
        yield server


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


@contextmanager
def telling(settings: Settings, load_date: date | None, *, once: Path | None = None) -> Iterator[None]:
    """Tell people when the body fails, before a run has an account of its own: a wrong contract, a locked warehouse.

    The exception goes on; what could not be sent stands in its notes.

    Args:
        once: a file that remembers what was told, for a body that is tried again and again with the same outcome.
    """
    try:
        yield
    except Exception as error:
        if not getattr(error, _TOLD, False):
            setattr(error, _TOLD, True)
            cause = _for_people(error)
            notice = Notice(load_date, None, problems_of([("before the run", type(cause).__name__, str(cause))]))
            if once is None or _is_news(once, notice):
                for line in send(settings, notice):
                    error.add_note(line)
        raise
    if once is not None:
        once.unlink(missing_ok=True)


def _for_people(error: BaseException) -> BaseException:
    """The cause that was worded for people, when there is one; others wrap it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, KindredError):
            return cause
        cause = cause.__cause__ or cause.__context__
    return error


def _is_news(memory: Path, notice: Notice) -> bool:
    digest = hashlib.sha256(repr(notice.problems).encode()).hexdigest()
    if memory.is_file() and memory.read_text(encoding="utf-8") == digest:
        return False
    memory.parent.mkdir(parents=True, exist_ok=True)
    memory.write_text(digest, encoding="utf-8")
    return True

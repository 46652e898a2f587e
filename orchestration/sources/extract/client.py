"""HTTP to one REST API: who asks, how often, and what to do when the server is busy, broken or away.

Belongs here: one GET request with its retries and its errors. Does not belong here: pages (see `paging`) and records
(see `rest`).
"""

import email.utils
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from orchestration.sources.contract import Contract
from orchestration.sources.extract.environment import Environment, value_of
from orchestration.sources.extract.errors import AccessError, AnswerError, UnreachableError
from orchestration.sources.servers import ApiServer

if TYPE_CHECKING:
    import requests

_CONNECT_TIMEOUT_SECONDS = 10.0
_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 30.0
_PASSING = {408, 425, 500, 502, 503, 504}
_REASON_FIELDS = ("message", "error", "error_description", "detail", "title")
_REASON_LENGTH = 200


@dataclass(frozen=True)
class Answer:
    """A body, and the address of the next page if the Link header names one (RFC 8288)."""

    body: Any
    next_link: str | None


class GoneError(AnswerError):
    """The address is not known (any more): 400, 404 or 410. A remembered page may just have expired."""


class Client:
    """Asks one API. Every address it is given must be the API's own: a token is never sent elsewhere."""

    def __init__(
        self,
        contract: Contract,
        server: ApiServer,
        environment: Environment | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._contract = contract
        self._server = server
        self._environment = environment
        self._sleep = sleep
        self._clock = clock
        self._last_request: float | None = None
        self._session = self._new_session()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def address(self, reference: str, base: str | None = None) -> str:
        """The full address of a path or link. Raises AnswerError when it leads to another server."""
        address = urljoin(base or f"{self._server.url}/", reference)
        if _origin(address) != _origin(self._server.url):
            raise AnswerError(
                f"{self._contract.source}: a link leads to {'://'.join(_origin(address)[:2])}, away from "
                f"{self._server.url}; it is not followed, because the credentials are not for that server"
            )
        return address

    def get(self, address: str, parameters: Mapping[str, str]) -> Answer:
        """The answer to one GET, after as many attempts as the contract allows.

        Raises:
            UnreachableError: no answer, errors of the server, or a wait longer than allowed.
            AccessError: 401 or 403.
            GoneError: 400, 404 or 410.
            AnswerError: another refusal, a redirect, or a body that is no JSON.
        """
        import requests

        label, waited, reason = self._label(address), 0.0, ""
        for attempt in range(1, self._server.attempts + 1):
            self._pace()
            try:
                response = self._session.get(
                    address,
                    params=dict(parameters),
                    timeout=(_CONNECT_TIMEOUT_SECONDS, self._server.timeout_seconds),
                    allow_redirects=False,
                )
            except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
                reason, wait = _network_reason(error), None
            else:
                if response.ok and not response.is_redirect:
                    return self._answer(response, label)
                reason, wait = f"status {response.status_code}", _retry_after(response)
                if response.status_code != 429 and response.status_code not in _PASSING:
                    raise self._refusal(response, label)
            if attempt < self._server.attempts:
                wait = min(_FIRST_WAIT_SECONDS * 2 ** (attempt - 1), _LONGEST_WAIT_SECONDS) if wait is None else wait
                waited += wait
                if waited > self._server.max_wait_seconds:
                    raise UnreachableError(
                        f"{label}: the server asks to wait {wait:.0f} seconds ({reason}), together more than "
                        f"maxWaitSeconds ({self._server.max_wait_seconds:.0f}). Run the day again later: it goes on "
                        "where it stopped. Or set requestsPerSecond in the contract."
                    )
                self._sleep(wait)
        raise UnreachableError(
            f"{label}: no answer in {self._server.attempts} attempts, at last {reason}. "
            "Run the day again later: it goes on where it stopped."
        )

    def _label(self, address: str) -> str:
        return f"{self._contract.source}: endpoint {urlsplit(address).path}"

    def _pace(self) -> None:
        """Keep the contract's distance between two requests."""
        if self._server.requests_per_second:
            if self._last_request is not None:
                due = self._last_request + 1 / self._server.requests_per_second
                if (early := due - self._clock()) > 0:
                    self._sleep(early)
            self._last_request = self._clock()

    def _answer(self, response: "requests.Response", label: str) -> Answer:
        try:
            body = response.json()
        except ValueError as error:
            kind = response.headers.get("Content-Type", "no content type")
            raise AnswerError(
                f"{label}: the answer is no JSON ({kind}). Check servers[0].location and physicalName in the contract."
            ) from error
        link = response.links.get("next", {}).get("url")
        return Answer(body, self.address(link, response.url) if link else None)

    def _refusal(self, response: "requests.Response", label: str) -> AnswerError | AccessError:
        status = f"{response.status_code} {response.reason or ''}".strip()
        variable = self._server.auth.variable
        if response.status_code in (401, 403):
            hint = (
                f"check the value of the environment variable {variable}, and what it may read"
                if variable
                else "the contract's server names no auth"
            )
            return AccessError(f"{label}: {status}; {hint}.")
        if response.is_redirect:
            return AnswerError(
                f"{label}: redirects to {response.headers.get('Location', '?').partition('?')[0]}; "
                "put the right address into servers[0].location"
            )
        told = _told(response)
        kind = GoneError if response.status_code in (400, 404, 410) else AnswerError
        return kind(f"{label}: {status}{told}. Check physicalName and parameters in the contract.")

    def _new_session(self) -> "requests.Session":
        import requests

        session = requests.Session()
        session.headers.update({"Accept": "application/json", "User-Agent": "kindred", **self._server.headers})
        session.auth = self._authorisation()
        return session

    def _authorisation(self) -> "Callable[[requests.PreparedRequest], requests.PreparedRequest]":
        """Adds the credential. Also when there is none: without, requests would send what it finds in ~/.netrc."""
        from requests.auth import _basic_auth_str

        auth = self._server.auth
        token = value_of(self._contract, auth.variable, self._environment) if auth.variable else ""
        user = (
            value_of(self._contract, auth.user_variable, self._environment) if auth.user_variable else auth.user or ""
        )

        def authorise(request: "requests.PreparedRequest") -> "requests.PreparedRequest":
            match auth.scheme:
                case "bearer":
                    request.headers[auth.name] = f"Bearer {token}"
                case "header":
                    request.headers[auth.name] = token
                case "basic":
                    request.headers["Authorization"] = _basic_auth_str(user, token)
                case "parameter":
                    request.prepare_url(request.url, {auth.name: token})
                case _:
                    pass
            return request

        return authorise


def _origin(address: str) -> tuple[str, str, int | None]:
    parts = urlsplit(address)
    return parts.scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _network_reason(error: Exception) -> str:
    """What happened, without the address: its query may hold a credential."""
    import requests

    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "an answer that broke off"
    return "a connection that failed or broke off"


def _retry_after(response: "requests.Response") -> float | None:
    """Seconds of the Retry-After header, which holds seconds or a date (RFC 9110, 10.2.3)."""
    text = response.headers.get("Retry-After", "").strip()
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _told(response: "requests.Response") -> str:
    """The server's own short reason, if its body has one."""
    try:
        body = response.json()
    except ValueError:
        return ""
    if not isinstance(body, dict):
        return ""
    reason = next((body[name] for name in _REASON_FIELDS if isinstance(body.get(name), str)), "")
    return f" ({reason[:_REASON_LENGTH]})" if reason else ""

"""Failures reach a webhook and a mailbox, without values of people; when they do not, one line says so."""

import json
import socketserver
import threading
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from orchestration.config import Settings
from orchestration.notify import Notice, NotifyError, Problem, parse_smtp_url, problems_of, send, without_values

NOTICE = Notice(
    date(2026, 1, 6),
    "run-1",
    (
        Problem(
            "collection, gate of raw.crm__contacts",
            "[BLOCKS] bad_row_share\n  crm/2026-01-06/contacts.csv row 7: email",
        ),
    ),
)


class Webhook(ThreadingHTTPServer):
    """Answers with the given statuses, then with 200; keeps what it was sent."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.bodies: list[dict] = []
        super().__init__(("127.0.0.1", 0), _Answer)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/services/secret-token"


class _Answer(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


class MailServer(socketserver.ThreadingTCPServer):
    """Enough of SMTP to take a message from a client that logs in."""

    allow_reuse_address = True

    def __init__(self) -> None:
        self.said: list[str] = []
        super().__init__(("127.0.0.1", 0), _Talk)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Talk(socketserver.StreamRequestHandler):
    server: MailServer

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())

    def handle(self) -> None:
        self.say("220 test")
        in_message = False
        for raw in self.rfile:
            line = raw.decode().rstrip("\r\n")
            self.server.said.append(line)
            if in_message:
                in_message = line != "."
                if not in_message:
                    self.say("250 taken")
                continue
            match line.split(" ")[0].upper():
                case "EHLO":
                    self.say("250-test")
                    self.say("250 AUTH PLAIN")
                case "AUTH":
                    self.say("235 welcome")
                case "DATA":
                    in_message = True
                    self.say("354 go on")
                case "QUIT":
                    self.say("221 bye")
                    return
                case _:
                    self.say("250 ok")


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    server = MailServer()
    yield server
    server.shutdown()
    server.server_close()


def settings(**given: str) -> Settings:
    return Settings(**{"webhook_url": None, "smtp_url": None, **given})  # type: ignore[arg-type]


def test_nothing_is_sent_when_nothing_is_configured() -> None:
    assert send(settings(), NOTICE) == []


def test_the_webhook_gets_slacks_json_with_places_of_rows_and_the_link() -> None:
    hook = Webhook()
    assert send(settings(webhook_url=hook.url, ui_url="https://kindred.example/"), NOTICE) == []
    hook.shutdown()
    [body] = hook.bodies
    assert body["text"].startswith("Kindred: 2026-01-06 was not published (1 problem)")
    assert "crm/2026-01-06/contacts.csv row 7: email" in body["text"]
    assert "https://kindred.example/runs/run-1" in body["blocks"][1]["text"]["text"]


def test_a_webhook_that_stumbles_is_tried_again() -> None:
    hook = Webhook(503, 429)
    assert send(settings(webhook_url=hook.url), NOTICE) == []
    hook.shutdown()
    assert len(hook.bodies) == 3


@pytest.mark.parametrize("statuses", [(404,), (500, 500, 500)])
def test_a_webhook_that_fails_is_one_line_without_its_address(statuses: tuple[int, ...]) -> None:
    hook = Webhook(*statuses)
    [line] = send(settings(webhook_url=hook.url), NOTICE)
    hook.shutdown()
    assert line.startswith("nobody was told by the webhook: ")
    assert "\n" not in line
    assert "secret-token" not in line
    assert len(hook.bodies) == len(statuses)


def test_e_mail_goes_to_every_recipient(mail_server: MailServer) -> None:
    url = f"smtp://me:p%40ss@127.0.0.1:{mail_server.port}/?from=kindred@x.org&to=a@x.org,b@x.org"
    assert send(settings(smtp_url=url), NOTICE) == []
    assert [line for line in mail_server.said if line.lower().startswith("rcpt")] == [
        "rcpt TO:<a@x.org>",
        "rcpt TO:<b@x.org>",
    ]
    assert "Subject: Kindred: 2026-01-06 was not published (1 problem)" in mail_server.said
    assert "Run: http://localhost:3000/runs/run-1" in mail_server.said


def test_a_mail_server_that_is_away_is_one_line_and_the_webhook_is_told_all_the_same() -> None:
    hook = Webhook()
    given = settings(webhook_url=hook.url, smtp_url="smtp://127.0.0.1:1/?from=a@x.org&to=b@x.org")
    assert send(given, NOTICE) == ["nobody was told by e-mail: ConnectionRefusedError"]
    hook.shutdown()
    assert len(hook.bodies) == 1


@pytest.mark.parametrize(
    "url", ["smtp://u:secret@h/?to=a@x.org", "http://u:secret@h/?from=a&to=b", "smtp://u:secret@h:x/?from=a&to=b"]
)
def test_a_wrong_mail_address_is_refused_without_showing_its_password(url: str) -> None:
    with pytest.raises(NotifyError) as error:
        parse_smtp_url(url)
    assert "secret" not in str(error.value)


def test_what_a_database_quotes_is_left_out() -> None:
    said = "Conversion Error: Could not convert string 'ann@x.org' to INT32"
    assert without_values(said) == "Conversion Error: Could not convert string '…' to INT32"
    ours = "crm/2026-01-06: missing: 'email'"
    assert problems_of([("collection", "raw", ours)])[0].message == ours

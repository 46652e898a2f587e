"""E-mail over STARTTLS and TLS against a real server: certificates are verified, and no password goes in the clear."""

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from orchestration.config import Settings
from orchestration.errors import KindredError
from orchestration.notify import Notice, Problem, send, telling

NOTICE = Notice(datetime.date(2026, 1, 6), "run-1", (Problem("collection", "a gate blocked"),))


class TlsMailServer:
    """Speaks SMTP on loopback; STARTTLS really begins TLS. Keeps what it heard, and whether it heard it encrypted."""

    def __init__(self, context: ssl.SSLContext, *, from_the_start: bool = False, offers: bool = True) -> None:
        self.heard: list[tuple[bool, str]] = []
        self._context, self._from_the_start, self._offers = context, from_the_start, offers
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def said(self, beginning: str) -> list[tuple[bool, str]]:
        return [(secure, line) for secure, line in self.heard if line.upper().startswith(beginning)]

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            try:
                self._talk(connection)
            except (OSError, ssl.SSLError):
                pass
            finally:
                connection.close()

    def _talk(self, connection: socket.socket) -> None:
        secure = self._from_the_start
        if secure:
            connection = self._context.wrap_socket(connection, server_side=True)
        lines = connection.makefile("rb")
        say: Callable[[str], None] = lambda line: connection.sendall(f"{line}\r\n".encode())  # noqa: E731
        say("220 test")
        in_message = False
        while raw := lines.readline():
            line = raw.decode().rstrip("\r\n")
            self.heard.append((secure, line))
            word = line.split(" ")[0].upper()
            if in_message:
                in_message = line != "."
                if not in_message:
                    say("250 taken")
            elif word == "EHLO":
                say("250-test")
                if self._offers and not secure:
                    say("250-STARTTLS")
                say("250 AUTH PLAIN")
            elif word == "STARTTLS":
                say("220 go ahead")
                connection = self._context.wrap_socket(connection, server_side=True)
                lines, secure = connection.makefile("rb"), True
            elif word == "DATA":
                in_message = True
                say("354 go on")
            elif word == "QUIT":
                say("221 bye")
                return
            else:
                say("235 welcome" if word == "AUTH" else "250 ok")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1, signed by itself, and its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.example")])
    begin = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def mail_server(certificate: Path) -> Iterator[Callable[..., TlsMailServer]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with ExitStack() as stack:

        def start(**how: bool) -> TlsMailServer:
            server = TlsMailServer(context, **how)
            stack.callback(server.close)
            return server

        yield start


def settings(scheme: str, port: int, ca_file: Path | None) -> Settings:
    url = f"{scheme}://me:secret-word@127.0.0.1:{port}/?from=kindred@x.org&to=a@x.org"
    return Settings(webhook_url=None, smtp_url=url, smtp_ca_file=ca_file)


@pytest.mark.parametrize(("scheme", "from_the_start"), [("smtp", False), ("smtps", True)])
def test_mail_goes_encrypted_to_a_server_that_is_trusted(
    mail_server: Callable[..., TlsMailServer], certificate: Path, scheme: str, from_the_start: bool
) -> None:
    server = mail_server(from_the_start=from_the_start)
    assert send(settings(scheme, server.port, certificate), NOTICE) == []
    for beginning in ("AUTH", "MAIL", "SUBJECT: KINDRED: 2026-01-06 WAS NOT PUBLISHED"):
        assert [secure for secure, _ in server.said(beginning)] == [True], beginning


@pytest.mark.parametrize(("scheme", "from_the_start"), [("smtp", False), ("smtps", True)])
def test_a_certificate_that_nobody_vouches_for_is_refused_before_anything_is_said(
    mail_server: Callable[..., TlsMailServer], scheme: str, from_the_start: bool
) -> None:
    server = mail_server(from_the_start=from_the_start)
    assert send(settings(scheme, server.port, None), NOTICE) == ["nobody was told by e-mail: SSLCertVerificationError"]
    assert not server.said("AUTH")
    assert not server.said("MAIL")


def test_a_password_is_not_sent_in_the_clear_to_another_machine(
    mail_server: Callable[..., TlsMailServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On this machine it may be; a name that leads here by the network's word may not."""
    server = mail_server(offers=False)
    monkeypatch.setattr("orchestration.notify._THIS_MACHINE", ())
    [line] = send(settings("smtp", server.port, None), NOTICE)
    assert "offers no STARTTLS" in line
    assert not server.said("AUTH")


def test_a_file_without_certificates_is_named(mail_server: Callable[..., TlsMailServer], tmp_path: Path) -> None:
    wrong = tmp_path / "ca.pem"
    wrong.write_text("not a certificate")
    [line] = send(settings("smtp", mail_server().port, wrong), NOTICE)
    assert "KINDRED_SMTP_CA_FILE" in line


def test_what_fails_before_a_run_is_told_once_and_goes_on(
    mail_server: Callable[..., TlsMailServer], certificate: Path, tmp_path: Path
) -> None:
    server = mail_server()
    given, memory = settings("smtp", server.port, certificate), tmp_path / "told"
    for _ in range(2):
        with (
            pytest.raises(KindredError, match="crm\\.odcs\\.yaml"),
            telling(given, None, once=memory),
            telling(given, None),
        ):
            raise KindredError("crm.odcs.yaml: servers: exactly one is needed")
    # Each failure is told by the inner one, which remembers nothing; the outer tells nothing twice.
    assert len(server.said("SUBJECT")) == 2
    for _ in range(2):
        with pytest.raises(KindredError), telling(given, None, once=memory):
            raise KindredError("crm.odcs.yaml: id is missing")
    assert len(server.said("SUBJECT")) == 3
    with telling(given, None, once=memory):
        pass
    assert not memory.exists()
    assert "before the run" in "\n".join(line for _, line in server.heard)

"""Real servers on loopback for tests of connectors: Postgres from the system's packages, an HTTP vendor, moto's S3."""

import json
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import sqlalchemy as sa

from tests.needs import lacking

POSTGRES_PASSWORD = "loopback-only"
INSTALL_POSTGRES = "apt-get update && apt-get install -y postgresql"


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def postgres_program(name: str) -> Path:
    """A program of the newest Postgres that is installed; without one the test fails in CI and is skipped elsewhere."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[4]))
    if found:
        return found[-1]
    on_path = shutil.which(name)
    if on_path is None:
        lacking(f"Postgres ({name})", f"The test needs a real one: {INSTALL_POSTGRES}")
    return Path(on_path)


@dataclass
class Postgres:
    """A cluster of its own, which can be stopped and started."""

    folder: Path
    port: int
    identity: dict[str, Any]

    def _run(self, program: str, *arguments: str) -> None:
        # The server inherits the output: a pipe would stay open as long as it runs.
        with (self.folder / "output.txt").open("ab") as output:
            done = subprocess.run(
                [str(postgres_program(program)), *arguments],
                stdout=output, stderr=output, cwd=self.folder, timeout=60, check=False, **self.identity,
            )  # fmt: skip
        assert done.returncode == 0, (self.folder / "output.txt").read_text()

    def initialise(self) -> None:
        secret = self.folder / "password"
        secret.write_text(POSTGRES_PASSWORD)
        secret.chmod(0o644)
        self._run(
            "initdb", "-D", str(self.folder / "data"), "-U", "kindred", "-A", "scram-sha-256", "--no-sync",
            "-E", "UTF8", "--locale=C.UTF-8", f"--pwfile={secret}",
        )  # fmt: skip

    def start(self) -> None:
        options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder} -c fsync=off "
            "-c timezone=America/New_York"
        )
        log = str(self.folder / "log.txt")
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-l", log, "-o", options, "-w", "-t", "30", "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "-w", "-t", "30", "stop")

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://kindred:{POSTGRES_PASSWORD}@127.0.0.1:{self.port}/postgres"

    def execute(self, *statements: str) -> None:
        engine = sa.create_engine(self.url, poolclass=sa.pool.NullPool)
        with engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
        engine.dispose()


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A new cluster on a free port. Postgres refuses to run as root, so root hands it to the package's user."""
    postgres_program("initdb")
    folder = Path(tempfile.mkdtemp(prefix="kindred-postgres-"))
    identity: dict[str, Any] = {}
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        identity = {"user": "postgres", "group": "postgres", "extra_groups": []}
    server = Postgres(folder, free_port(), identity)
    try:
        server.initialise()
        server.start()
        yield server
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Vendor:
    """An API of people in every paging style, which throttles, fails and hangs up when it is told to."""

    records: list[dict[str, Any]] = field(default_factory=list)
    token: str = "letmein"
    page_size: int = 3
    answers: list[str] = field(default_factory=list)
    """What to do instead of answering, for the next requests in turn: `429:<seconds>`, `500`, `drop`, `cut`, `ok`."""
    requests: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    on_request: Callable[[int], None] | None = None
    port: int = 0
    elsewhere: str | None = None
    """An address of another server to put into links."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def page(self, path: str, query: dict[str, str]) -> tuple[Any, dict[str, str]]:
        """The body and headers of one page."""
        found = [item for item in self.records if item.get("updated_at", "") >= query.get("since", "")]
        size = min(int(query.get("per_page", query.get("limit", self.page_size))), self.page_size)
        style = path.rpartition("/")[2]
        start = {
            "by_page": (int(query.get("page", 1)) - 1) * size,
            "by_offset": int(query.get("offset", 0)),
            "by_cursor": int(query.get("cursor", "c0")[1:]),
            "deaf": 0,
        }.get(style, int(query.get("at", 0)))
        items, more = found[start : start + size], start + size < len(found)
        base = self.elsewhere or f"http://127.0.0.1:{self.port}"
        following = f"{base}{path}?{urlencode({**query, 'at': start + size})}"
        match style:
            case "by_cursor":
                return {"data": {"items": items}, "meta": {"next": f"c{start + size}" if more else None}}, {}
            case "by_next_link":
                return {"data": {"items": items}, "next": following if more else None}, {}
            case "by_link":
                return items, {"Link": f'<{following}>; rel="next", <{self.url}>; rel="first"'} if more else {}
            case "all":
                return found, {}
            case "circle":
                return {"data": {"items": items}, "meta": {"next": "c0"}}, {}
            case _:
                return {"data": {"items": items}, "total": len(found)}, {}


@contextmanager
def running_vendor() -> Iterator[Vendor]:
    """The API on a free port of loopback."""
    import time

    vendor = Vendor()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            vendor.requests.append(self.path)
            vendor.times.append(time.monotonic())
            if vendor.on_request:
                vendor.on_request(len(vendor.requests))
            parts = urlsplit(self.path)
            query = dict(parse_qsl(parts.query))
            told = vendor.answers.pop(0) if vendor.answers else "ok"
            allowed = f"Bearer {vendor.token}" == self.headers.get("Authorization") or vendor.token in (
                self.headers.get("X-Api-Key"),
                query.get("api_key"),
            )
            if told == "drop":
                # Close with a reset, as a balancer does that loses its backend.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                self.connection.close()
                return
            if told.startswith("429"):
                wait = told.partition(":")[2]
                self._send(429, {"message": "slow down"}, {"Retry-After": wait} if wait else {})
            elif told.isdecimal():
                self._send(int(told), {"message": "told to"}, {})
            elif not allowed:
                self._send(401, {"message": "who are you"}, {})
            elif parts.path == "/v1/moved":
                self._send(302, {}, {"Location": "http://127.0.0.1:1/v1/all"})
            elif parts.path == "/v1/page_of_text":
                self._send(200, None, {})
            elif not parts.path.startswith("/v1/") or parts.path == "/v1/nothing":
                self._send(404, {"message": "no such thing"}, {})
            else:
                self._send(200, *vendor.page(parts.path, query), cut=told == "cut")

        def _send(self, status: int, body: Any, headers: dict[str, str], *, cut: bool = False) -> None:
            content = b"<html>hello</html>" if body is None else json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if cut else content)
            self.close_connection = self.close_connection or cut

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    vendor.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield vendor
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


@contextmanager
def running_s3() -> Iterator[str]:
    """Moto's S3 server on a free port of loopback; gives its address."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()

"""A blocked day and a failed run reach the webhook: from the command line and from Dagster, without a person's value."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import dagster as dg
import pytest

from tests.integration.conftest import RunCompany

DAY = "2026-01-05"


class _Hook(BaseHTTPRequestHandler):
    bodies: ClassVar[list[dict]] = []

    def do_POST(self) -> None:
        self.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict]]:
    _Hook.bodies.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("KINDRED_WEBHOOK_URL", f"http://127.0.0.1:{server.server_port}/hook")
    yield _Hook.bodies
    server.shutdown()
    server.server_close()


def test_a_blocked_day_is_told_with_places_of_rows_and_no_values(
    company: RunCompany, tmp_path: Path, webhook: list[dict]
) -> None:
    broken = company.copy(tmp_path / "data")
    file = broken.data / "landing" / "crm" / DAY / "contacts.csv"
    header, *lines = file.read_text().splitlines()
    file.write_text("\n".join([header, *(line.replace("@", " at ") for line in lines)]) + "\n")
    assert broken.kindred("run", "--date", DAY).code == 1
    [body] = webhook
    assert f"{DAY} was not published" in body["text"]
    assert f"crm/{DAY}/contacts.csv row" in body["text"]
    assert "bad_row_share" in body["text"]
    assert "http://localhost:3000/runs/" in body["text"]
    emails = {field for line in lines for field in line.split(",") if "@" in field}
    assert not [email for email in emails if email.replace("@", " at ") in body["text"]]


def test_a_webhook_that_is_away_does_not_change_the_outcome(
    company: RunCompany, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KINDRED_WEBHOOK_URL", "http://127.0.0.1:1/hook")
    broken = company.copy(tmp_path / "data")
    (broken.data / "landing" / "shop" / DAY / "orders.parquet").unlink()
    said = broken.kindred("run", "--date", DAY)
    assert said.code == 1
    assert "nobody was told by the webhook: ConnectionError" in said.output
    assert f"shop/{DAY}: no file orders" in said.output


def test_dagsters_sensor_tells_of_runs_that_the_command_line_did_not_start(
    webhook: list[dict], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KINDRED_DATA", str(tmp_path))
    from orchestration.daily import COMMAND_LINE_TAG
    from orchestration.defs.automation import tell_of_failure

    @dg.op
    def breaks() -> None:
        raise ValueError("Could not convert string 'ann@x.org' to INT32")

    @dg.job
    def job() -> None:
        breaks()

    with dg.DagsterInstance.ephemeral() as instance:
        for tags in ({}, {COMMAND_LINE_TAG: "true"}):
            result = job.execute_in_process(raise_on_error=False, instance=instance, tags=tags)
            context = dg.build_run_status_sensor_context(
                sensor_name="tell_of_failure",
                dagster_instance=instance,
                dagster_run=result.dagster_run,
                dagster_event=result.get_run_failure_event(),
            ).for_run_failure()
            tell_of_failure(context)
    [body] = webhook
    assert "breaks" in body["text"]
    assert "convert" in body["text"]
    assert "ann@x.org" not in body["text"]

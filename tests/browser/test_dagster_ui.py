"""`kindred dev`: the Dagster UI on the runs that `kindred run` made, and a run started there."""

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import KINDRED, RunCompany, company
from tests.integration.test_daily_run import DAYS, contents

__all__ = ["company"]

START_SECONDS = 120
RUN_SECONDS = 240
LAUNCH = """
mutation Launch($partition: String!) {
  launchRun(executionParams: {
    selector: {repositoryLocationName: "kindred", repositoryName: "__repository__", jobName: "daily_run"}
    runConfigData: {}
    executionMetadata: {tags: [{key: "dagster/partition", value: $partition}]}
  }) { __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } }
}
"""
RUNS = "{ runsOrError { ... on Runs { results { runId jobName status tags { key value } } } } }"
ASSETS = "{ assetNodes { assetKey { path } groupName } }"


class Ui:
    """The web server's GraphQL interface, which its pages use."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, query: str, **variables: str) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", data=body, headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            content: dict[str, Any] = json.load(answer)
        assert "errors" not in content, content["errors"]
        data: dict[str, Any] = content["data"]
        return data

    def runs(self) -> list[dict[str, Any]]:
        results: list[dict[str, Any]] = self.ask(RUNS)["runsOrError"]["results"]
        return results


@pytest.fixture(scope="module")
def ui(company: RunCompany, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (tmp_path_factory.mktemp("ui") / "log").open("w+")
    environment = {
        **os.environ,
        "KINDRED_DATA": str(company.data),
        "KINDRED_SECRET": "a secret for tests, of more than thirty-two characters",
    }
    server = subprocess.Popen(
        [str(KINDRED), "dev", "--port", str(port)], env=environment, stdout=log, stderr=log, start_new_session=True
    )
    try:
        opened = Ui(port)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                opened.ask(ASSETS)
                break
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                if time.monotonic() > deadline or server.poll() is not None:
                    log.seek(0)
                    pytest.fail(f"the Dagster UI did not start:\n{log.read()}")
                time.sleep(1)
        yield opened
    finally:
        server.terminate()
        server.wait(timeout=60)
        log.close()


def test_the_ui_shows_the_lineage_from_files_to_the_published_warehouse(ui: Ui) -> None:
    nodes = {tuple(node["assetKey"]["path"]): node["groupName"] for node in ui.ask(ASSETS)["assetNodes"]}
    assert nodes["landing", "crm__contacts"] == "collection"
    assert nodes["raw", "crm__contacts"] == "collection"
    assert nodes["integration", "int_customer_records"] == "integration"
    assert nodes["resolution", "memberships"] == "cleansing"
    assert nodes["marts", "customer_360"] == "storage"
    assert nodes["analysis", "customer_rfm"] == "analysis"
    assert nodes["published", "analytics"] == "storage"


def test_the_ui_shows_the_runs_of_the_command_line(ui: Ui) -> None:
    partitions = {
        tag["value"]
        for run in ui.runs()
        if run["jobName"] == "daily_run" and run["status"] == "SUCCESS"
        for tag in run["tags"]
        if tag["key"] == "dagster/partition"
    }
    assert partitions >= set(DAYS)


def test_a_run_started_in_the_ui_gives_the_same_marts(ui: Ui, company: RunCompany) -> None:
    before = contents(company.warehouse)
    launched = ui.ask(LAUNCH, partition=DAYS[-1])["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    run_id = launched["run"]["runId"]
    deadline = time.monotonic() + RUN_SECONDS
    while (status := next(run["status"] for run in ui.runs() if run["runId"] == run_id)) not in ("SUCCESS", "FAILURE"):
        assert time.monotonic() < deadline, f"still {status} after {RUN_SECONDS} s"
        time.sleep(2)
    assert status == "SUCCESS"
    assert contents(company.warehouse) == before


def test_dagster_calls_nobody(company: RunCompany, ui: Ui) -> None:
    settings = (Path(company.data) / "dagster" / "dagster.yaml").read_text()
    assert "telemetry:\n  enabled: false" in settings

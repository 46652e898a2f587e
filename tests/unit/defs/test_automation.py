"""What starts the daily job: the sensor waits for complete days and starts each delivery once."""

import os
import shutil
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from orchestration.config import PROJECT_ROOT

TODAY = date.today()
SOURCES = ("crm", "shop")


@pytest.fixture
def landing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    contracts = tmp_path / "contracts"
    contracts.mkdir()
    for source in SOURCES:
        shutil.copy(PROJECT_ROOT / "data" / "contracts" / f"{source}.odcs.yaml", contracts)
    monkeypatch.setenv("KINDRED_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("KINDRED_CONTRACTS", str(contracts))
    yield tmp_path / "data" / "landing"


def deliver(landing: Path, source: str, day: date) -> Path:
    marker = landing / source / day.isoformat() / "_SUCCESS"
    marker.parent.mkdir(parents=True)
    marker.touch()
    return marker


def requests() -> list[tuple[str | None, str | None]]:
    from orchestration.defs.automation import landing_day_complete

    with dg.DagsterInstance.ephemeral() as instance:
        result = landing_day_complete(dg.build_sensor_context(instance))
    assert isinstance(result, dg.SensorResult)
    return [(request.partition_key, request.run_key) for request in result.run_requests or []]


def test_a_day_starts_when_every_daily_source_has_marked_it(landing: Path) -> None:
    deliver(landing, "crm", TODAY)
    assert requests() == []
    deliver(landing, "shop", TODAY)
    assert [partition for partition, _ in requests()] == [TODAY.isoformat()]


def test_a_late_day_starts_too_and_an_old_one_does_not(landing: Path) -> None:
    for day in (TODAY - timedelta(days=3), TODAY - timedelta(days=300)):
        for source in SOURCES:
            deliver(landing, source, day)
    assert [partition for partition, _ in requests()] == [(TODAY - timedelta(days=3)).isoformat()]


def test_the_same_delivery_starts_once_and_a_new_one_again(landing: Path) -> None:
    markers = [deliver(landing, source, TODAY) for source in SOURCES]
    first = requests()
    assert requests() == first
    later = markers[0].stat().st_mtime_ns + 1_000_000_000
    os.utime(markers[0], ns=(later, later))
    assert requests()[0][1] != first[0][1]


def test_the_schedule_runs_the_day_that_it_fires_on(landing: Path) -> None:
    from orchestration.defs.automation import daily_schedule

    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(instance, scheduled_execution_time=datetime(2026, 1, 6, 6))
        request = daily_schedule(context)
    assert isinstance(request, dg.RunRequest)
    assert request.partition_key == "2026-01-06"

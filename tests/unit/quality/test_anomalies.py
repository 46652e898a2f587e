"""A day is judged by the days before it, by weekday where it can be, and never by itself."""

from datetime import date, timedelta

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from expectations.suites import GatedTable
from orchestration.quality.anomalies import (
    FILL_RATE,
    MIN_HISTORY,
    SCHEMA_DRIFT,
    VOLUME,
    VOLUME_TOLERANCE,
    WAY_OUT,
    Observation,
    arrival_checks,
    judge,
)
from orchestration.quality.history import ensure_tables
from orchestration.quality.profiles import ColumnProfile, keep_profile
from orchestration.quality.results import CheckResult, RunContext
from orchestration.sources.contract import Anomalies, Column, Table

MONDAY = date(2026, 1, 5)
GATE = GatedTable("collection", "raw", "src__people", ("id",), "expectations.suites.raw", "load_date")
EMAIL = Column("email", "email", "varchar", None, "", None, "personal", False, False)


def days(values: list[float], start: date = MONDAY) -> list[Observation]:
    return [Observation(start + timedelta(days=n), value) for n, value in enumerate(values)]


VALUES = st.floats(0, 1e6, allow_nan=False)


@given(st.lists(VALUES, max_size=40), VALUES, st.integers(0, 60))
def test_the_tested_day_is_no_part_of_its_own_baseline(values: list[float], value: float, offset: int) -> None:
    history = days(values)
    tested = Observation(MONDAY + timedelta(days=offset), value)
    others = [item for item in history if item.day != tested.day]
    assert judge(others, tested, VOLUME_TOLERANCE) == judge([*others, tested], tested, VOLUME_TOLERANCE)


@given(st.lists(VALUES, min_size=MIN_HISTORY, max_size=40), st.permutations(range(40)), VALUES)
def test_days_that_come_later_or_in_another_order_do_not_change_a_verdict(
    values: list[float], order: list[int], value: float
) -> None:
    history = days(values)
    tested = Observation(history[-1].day + timedelta(days=1), value)
    mixed = [history[n] for n in order if n < len(history)]
    later = Observation(tested.day + timedelta(days=1), 0.0)
    assert judge(mixed, tested, VOLUME_TOLERANCE) == judge([*history, later], tested, VOLUME_TOLERANCE)


def test_too_short_a_history_gives_no_verdict() -> None:
    history = days([100.0] * (MIN_HISTORY - 1))
    assert judge(history, Observation(MONDAY + timedelta(days=30), 0), VOLUME_TOLERANCE) is None


def test_weekends_are_measured_by_weekends() -> None:
    week = [1000.0, 1010, 990, 1005, 995, 100, 90]
    history = days(week * 4)
    saturday = MONDAY + timedelta(days=7 * 4 + 5)
    usual = judge(history, Observation(saturday, 105), VOLUME_TOLERANCE)
    busy = judge(history, Observation(saturday, 1000), VOLUME_TOLERANCE)
    assert usual is not None and busy is not None
    assert (usual.is_anomaly, usual.season, usual.days) == (False, "Saturdays", 28)
    assert busy.is_anomaly


def test_one_broken_day_in_history_does_not_widen_what_is_expected() -> None:
    steady = [1000.0, 1010, 990, 1005, 995, 1002, 998, 1001]
    broken = judge(days([*steady, 50_000.0]), Observation(MONDAY + timedelta(days=9), 3000), VOLUME_TOLERANCE)
    assert broken is not None and broken.is_anomaly


def table(anomalies: Anomalies = "warn") -> Table:
    return Table("src", "people", "people*.csv", "", (), None, (EMAIL,), anomalies=anomalies)


def checks(volumes: list[int], filled: list[int], given_table: Table | None = None) -> dict[str, CheckResult]:
    """The checks of the last of some days, each with its rows and how many of them have an e-mail."""
    with duckdb.connect() as con:
        ensure_tables(con)
        for n, (rows, full) in enumerate(zip(volumes, filled, strict=True)):
            day = MONDAY + timedelta(days=n)
            con.execute(
                "insert into quality.loads values ('raw.src__people', ?, 'f', 'x', ?, ?, 0, now()::timestamp, 'r')",
                [day, rows, rows],
            )
            keep_profile(con, "raw.src__people", day, [ColumnProfile("email", "varchar", True, True, rows, full)])
        run = RunContext("r", MONDAY + timedelta(days=len(volumes) - 1))
        return {check.expectation: check for check in arrival_checks(con, GATE, run, given_table or table())}


def test_the_message_names_the_value_the_range_and_the_history() -> None:
    # The first day is the initial load of all history: were it counted, there would be nine days.
    found = checks([90_000, *[100] * 8, 7], [90_000, *[100] * 8, 7])[VOLUME]
    assert (found.success, found.severity, found.blocks) == (False, "warn", False)
    assert found.message == "rows landed: found 7, expected 50 to 150 rows, by the 8 days before"


def test_a_day_that_is_stopped_is_told_the_way_out() -> None:
    found = checks([90_000, *[100] * 8, 7], [90_000, *[100] * 8, 7], table("block"))[VOLUME]
    assert found.blocks
    assert found.message.endswith("by the 8 days before. " + WAY_OUT)


def test_a_contract_can_make_it_block_or_keep_quiet() -> None:
    values = [5000, *[100] * 8, 7]
    assert checks(values, values, table("block"))[VOLUME].blocks
    assert set(checks(values, values, table("off"))) == {SCHEMA_DRIFT}


def test_a_column_that_empties_is_named() -> None:
    found = checks([5000, *[100] * 9], [5000, *[80] * 8, 12])
    assert found[VOLUME].success
    assert not found[FILL_RATE].success
    assert found[FILL_RATE].message == "email is given in 12% of rows, expected 70% to 90%, by the 8 days before"


def test_the_first_days_have_no_verdict_and_the_initial_load_no_check() -> None:
    assert set(checks([5000], [5000])) == {SCHEMA_DRIFT}
    young = checks([5000, 100, 0], [5000, 100, 0])
    assert young[VOLUME].success
    assert young[VOLUME].message == "no verdict yet: days of history that can be compared: 1, needed: 7"


@pytest.mark.parametrize(("landed", "warns"), [(True, True), (False, False)])
def test_an_unknown_column_warns_where_it_lands_and_is_noted_where_it_does_not(landed: bool, warns: bool) -> None:
    with duckdb.connect() as con:
        ensure_tables(con)
        con.execute(
            "insert into quality.loads values ('raw.src__people', ?, 'f', 'x', 1, 1, 0, now()::timestamp, 'r')",
            [MONDAY],
        )
        columns = [ColumnProfile("email", "varchar", True, True, 1, 1), ColumnProfile("tier", "x", False, landed, 1, 1)]
        keep_profile(con, "raw.src__people", MONDAY, columns)
        [check] = arrival_checks(con, GATE, RunContext("r", MONDAY), table())
    assert (check.success, check.severity) == (not warns, "warn")
    assert "unknown to the contract" in check.message
    assert "tier" in check.message

"""A gate holds back each bad row exactly once, stops bad tables, and says what it could not judge."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb
import pytest

from expectations.suites import GatedTable, gate_of
from orchestration.quality import GateError, GateResult, RunContext
from orchestration.quality.gate import BAD_ROW_SHARE, run_gate, run_gates
from orchestration.quality.quarantine import QUARANTINE_COLUMNS, clear_day, ensure_quarantine_table
from orchestration.sources.contract import Column, Table
from orchestration.warehouse import connect

DAY = date(2026, 1, 5)
RUN = RunContext("run-1", DAY)
FILE = "src/2026-01-05/people.csv"
NASTY = 'it\'s "quoted", näïve 名前 🙂 100% :param $1 {batch} \\d\n<b>second line</b>'
EMAIL_CHECK = "expect_column_values_to_match_regex:email"


def _column(name: str, kind: str = "varchar", key: bool = False, pattern: str | None = None) -> Column:
    options = {"pattern": pattern} if pattern else {}
    return Column(name, name, kind, None, "", None, "personal", key, key, options)


TABLE = Table(
    "src",
    "people",
    "people*.csv",
    "",
    (),
    None,
    (_column("id", key=True), _column("email", pattern=r"^[^@\s]+@[^@\s]+$"), _column("tags", "json")),
)
GATE = GatedTable("collection", "raw", "src__people", ("id",), "expectations.suites.raw", "load_date")


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    path = tmp_path / "warehouse.duckdb"
    with connect(path) as con:
        con.execute("create schema raw")
        con.execute(
            "create table raw.src__people"
            " (id varchar, email varchar, tags json, _load_date date, _file varchar, _row bigint)"
        )
        con.execute(
            "insert into raw.src__people select 'p' || i, 'p' || i || '@x.org', '[\"a\"]', ?, ?, i + 2"
            " from range(100) as t(i)",
            [DAY, FILE],
        )
        con.execute("insert into raw.src__people values ('old', 'bad', null, date '2026-01-04', 'old.csv', 2)")
    return path


def _query(path: Path, statement: str, *parameters: object) -> list[tuple]:
    with connect(path) as con:
        return con.execute(statement, list(parameters)).fetchall()


def _add(path: Path, *rows: tuple[str | None, str | None, int]) -> None:
    with connect(path) as con:
        for key, email, row in rows:
            con.execute(
                "insert into raw.src__people values (?, ?, '{\"k\": [1]}', ?, ?, ?)", [key, email, DAY, FILE, row]
            )


def _gate(path: Path, run: RunContext = RUN) -> GateResult:
    return run_gate(path, GATE, run, TABLE)


def test_a_clean_day_passes_and_leaves_its_results(warehouse: Path) -> None:
    result = _gate(warehouse)

    assert result.passed
    assert result.failed_checks == ()
    assert _query(warehouse, "select count(*) from quarantine.src__people") == [(0,)]
    rows = _query(
        warehouse,
        "select run_id, load_date, stage, table_name, success, evaluated, element_count from quality.check_results",
    )
    assert len(rows) == len(result.checks)
    assert set(rows) == {("run-1", DAY, "collection", "raw.src__people", True, True, 100)}


def test_a_bad_row_moves_to_quarantine_as_it_came(warehouse: Path) -> None:
    _add(warehouse, ("x", NASTY, 102))

    result = _gate(warehouse)

    assert result.passed
    assert result.quarantined == 1
    assert _query(warehouse, "select count(*) from raw.src__people where id = 'x'") == [(0,)]
    names = ", ".join(name for name in QUARANTINE_COLUMNS if name != "quarantined_at")
    [entry] = _query(warehouse, f"select {names} from quarantine.src__people")
    entry = dict(zip([name for name in QUARANTINE_COLUMNS if name != "quarantined_at"], entry, strict=True))
    assert json.loads(entry.pop("record")) == {"id": "x", "email": NASTY, "tags": {"k": [1]}}
    assert entry == {
        "load_date": DAY,
        "check_name": EMAIL_CHECK,
        "column_name": "email",
        "value": NASTY,
        "row_key": "x",
        "file": FILE,
        "row_number": 102,
        "reason": r"email has the form ^[^@\s]+@[^@\s]+$",
        "run_id": "run-1",
    }


def test_other_days_are_left_alone(warehouse: Path) -> None:
    _gate(warehouse)
    assert _query(warehouse, "select id from raw.src__people where _load_date <> ?", DAY) == [("old",)]


def test_a_row_that_fails_twice_has_two_entries_and_counts_once(warehouse: Path) -> None:
    _add(warehouse, ("p1", "bad", 102))

    result = _gate(warehouse)

    assert result.quarantined == 1
    checks = _query(warehouse, "select check_name, row_number from quarantine.src__people order by all")
    assert checks == [(EMAIL_CHECK, 102), ("unique_key", 102)]


def test_all_failing_rows_are_held_back_not_a_list_cut_short(warehouse: Path) -> None:
    _query(
        warehouse,
        "insert into raw.src__people select 'n' || i, 'p' || i || '@x.org', null, ?, ?, 1000 + i from range(100000) as t(i)",
        DAY,
        FILE,
    )
    _query(
        warehouse,
        "insert into raw.src__people select 'b' || i, 'bad' || i, null, ?, ?, 200000 + i from range(2500) as t(i)",
        DAY,
        FILE,
    )

    result = _gate(warehouse)

    assert result.passed
    assert result.quarantined == 2500
    assert len(result.failing_rows) <= 20
    assert _query(warehouse, "select count(distinct row_number) from quarantine.src__people") == [(2500,)]
    assert _query(warehouse, "select count(*) from raw.src__people where _load_date = ?", DAY) == [(100100,)]


def test_a_second_run_changes_nothing_but_the_results(warehouse: Path) -> None:
    _add(warehouse, ("x", "bad", 102), (None, "a@b.c", 103))
    first = _gate(warehouse)
    before = _query(warehouse, "select * from quarantine.src__people order by all")
    rows = _query(warehouse, "select * from raw.src__people order by all")

    second = _gate(warehouse, RunContext("run-2", DAY))

    assert (second.passed, second.quarantined) == (first.passed, first.quarantined) == (True, 2)
    assert _query(warehouse, "select * from quarantine.src__people order by all") == before
    assert _query(warehouse, "select * from raw.src__people order by all") == rows
    counts = _query(warehouse, "select run_id, count(*) from quality.check_results group by run_id order by run_id")
    assert counts == [("run-1", len(first.checks)), ("run-2", len(second.checks))]


def test_a_reloaded_day_is_gated_afresh(warehouse: Path) -> None:
    _add(warehouse, ("x", "bad", 102))
    _gate(warehouse)
    with connect(warehouse) as con:
        clear_day(con, "src__people", DAY)
    _add(warehouse, ("x", "mended@x.org", 102))

    assert _gate(warehouse).quarantined == 0
    assert _query(warehouse, "select email from raw.src__people where id = 'x'") == [("mended@x.org",)]


def _loader_rejects(warehouse: Path, count: int, check: str = "malformed_line") -> None:
    with connect(warehouse) as con:
        relation = ensure_quarantine_table(con, "src__people")
        con.execute(
            f"insert into {relation} by name select ?::date as load_date, ? as check_name, ? as file,"
            " 5000 + i as row_number, 'the line cannot be read' as reason from range(?) as t(i)",
            [DAY, check, FILE, count],
        )


@pytest.mark.parametrize(("rejected", "passed"), [(5, True), (9, True), (10, False), (60, False)])
def test_too_many_bad_rows_block_the_table_counting_the_loaders_too(
    warehouse: Path, rejected: int, passed: bool
) -> None:
    _loader_rejects(warehouse, rejected)

    result = _gate(warehouse)

    assert result.passed is passed
    share = next(check for check in result.checks if check.expectation == BAD_ROW_SHARE)
    assert share.success is passed
    assert share.message == (
        f"{rejected} of {100 + rejected} rows are bad ({100 * rejected / (100 + rejected):.1f} percent); "
        "allowed are at most 5 percent, counted from 10 bad rows on, and never all"
    )


def test_a_day_of_nothing_but_bad_rows_is_blocked_however_small(warehouse: Path) -> None:
    _query(warehouse, "delete from raw.src__people where _load_date = ?", DAY)
    _loader_rejects(warehouse, 2)
    assert not _gate(warehouse).passed


def test_a_missing_column_could_not_be_evaluated_and_blocks(warehouse: Path) -> None:
    _query(warehouse, "alter table raw.src__people drop email")
    _add_without_email = "insert into raw.src__people values ('p1', null, ?, ?, 300)"
    _query(warehouse, _add_without_email, DAY, FILE)

    result = _gate(warehouse)

    assert not result.passed
    check = next(check for check in result.checks if check.expectation == EMAIL_CHECK)
    assert (check.evaluated, check.success, check.unexpected_count) == (False, False, None)
    assert check.message.startswith(
        "could not be evaluated: the table has no column email. Expected: email has the form"
    )
    # What could be judged was judged all the same.
    assert _query(warehouse, "select check_name from quarantine.src__people") == [("unique_key",)]
    assert "could not be evaluated" in result.summary()


def test_a_query_that_fails_spoils_only_its_own_expectation_and_leaks_no_value(
    warehouse: Path, suite: Callable[..., GatedTable], caplog: pytest.LogCaptureFixture
) -> None:
    from expectations import checks

    _add(warehouse, ("x", "secret-value@x.org", 102))
    gated = suite(
        checks.satisfies("broken", "email", "cast(email as integer) > 0", "the e-mail is a number"),
        checks.matches("email", "no such address"),
        checks.scalar("no_table", "select count(*) from nowhere.at_all", "there is a table", low=0),
        checks.scalar("no_number", "select max(_row) from {batch} where false", "there is a number", low=0),
        checks.row_count(1, None, "there are rows"),
    )

    result = run_gate(warehouse, gated, RUN, TABLE)

    evaluated = {check.expectation: check.evaluated for check in result.checks}
    assert evaluated == {
        "broken": False,
        EMAIL_CHECK: True,
        "no_table": False,
        "no_number": False,
        "row_count": True,
        BAD_ROW_SHARE: True,
    }
    messages = {check.expectation: check.message for check in result.checks}
    assert "Conversion Error" in messages["broken"]
    assert "nowhere" in messages["no_table"]
    assert "gives no number" in messages["no_number"]
    kept = _query(warehouse, "select string_agg(message) from quality.check_results")
    assert "@x.org" not in str(kept)
    assert "@x.org" not in caplog.text


@pytest.fixture
def suite(monkeypatch: pytest.MonkeyPatch) -> Callable[..., GatedTable]:
    def gated(*expectations: object) -> GatedTable:
        from expectations.suites import raw

        monkeypatch.setattr(raw, "build", lambda _: list(expectations))
        return GATE

    return gated


def test_a_row_expectation_that_only_warns_holds_nothing_back(
    warehouse: Path, suite: Callable[..., GatedTable]
) -> None:
    from expectations import checks

    _add(warehouse, ("x", "bad", 102))
    result = run_gate(warehouse, suite(checks.matches("email", "@", severity="warn")), RUN, TABLE)

    assert result.passed
    assert result.quarantined == 0
    assert [(row["check"], row["value"], row["row"]) for row in result.failing_rows] == [(EMAIL_CHECK, "bad", 102)]
    assert _query(warehouse, "select count(*) from raw.src__people where id = 'x'") == [(1,)]


def test_expectations_of_one_name_are_refused(warehouse: Path, suite: Callable[..., GatedTable]) -> None:
    from expectations import checks

    with pytest.raises(GateError, match="two expectations are called"):
        run_gate(warehouse, suite(checks.not_null("id"), checks.not_null("id")), RUN, TABLE)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(GateError, match=r"raw\.src__people does not exist"):
        _gate(tmp_path / "empty.duckdb")


def test_a_failure_while_writing_leaves_everything_as_it_was(warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestration.quality import history

    _add(warehouse, ("x", "bad", 102))
    monkeypatch.setattr(history, "append_results", lambda *_: (_ for _ in ()).throw(OSError("disk full")))

    with pytest.raises(OSError, match="disk full"):
        _gate(warehouse)

    assert _query(warehouse, "select count(*) from raw.src__people where id = 'x'") == [(1,)]
    assert _query(warehouse, "select count(*) from quarantine.src__people") == [(0,)]


def test_the_summary_names_checks_and_rows_and_can_leave_values_out(warehouse: Path) -> None:
    _add(warehouse, ("x", "bad", 102))

    result = _gate(warehouse)

    text = result.summary()
    assert "raw.src__people: passed" in text
    assert f"[holds rows back] {EMAIL_CHECK}: 1 of 101 rows fail" in text
    assert f"{FILE} row 102: email = 'bad'" in text
    assert "'bad'" not in result.summary(with_values=False)
    assert f"{FILE} row 102: email" in result.summary(with_values=False)


def test_afterwards_the_file_can_be_opened_with_any_configuration(warehouse: Path) -> None:
    _gate(warehouse)
    with duckdb.connect(str(warehouse), config={"threads": 1, "custom_user_agent": "dbt"}) as con:
        assert con.execute("select count(*) from quality.check_results").fetchall() != [(0,)]


def test_a_table_made_anew_shows_its_bad_rows_once(tmp_path: Path) -> None:
    """A derived table is rebuilt whole each day: the same bad row stays one entry, and goes when it is mended or gone."""
    path = tmp_path / "warehouse.duckdb"
    gated = GatedTable(
        "storage", "marts", "fct_interactions", ("interaction_id",), "expectations.suites.fct_interactions"
    )
    build = """
        create schema if not exists integration; create schema if not exists resolution; create schema if not exists marts;
        create or replace table integration.int_customer_events as select 'e' || i as event_id from range({rows}) as t(i);
        create or replace table resolution.memberships as select 'r' as record_id;
        create or replace table marts.fct_interactions as
        select
            'e' || i as interaction_id, 'c' as customer_id, 'r' as record_id, 'a' as anonymous_id,
            case when i not in (7, 9) or {mended} then timestamp '2026-01-01' end as occurred_at
        from range({rows}) as t(i)
    """
    results = []
    for day, mended, rows in ((5, "false", 9), (6, "false", 30), (7, "false", 9), (8, "true", 30)):
        _query(path, build.format(mended=mended, rows=rows))
        results.append(run_gate(path, gated, RunContext(f"run-{day}", date(2026, 1, day))))
        if day == 6:
            entries = _query(path, "select load_date, run_id, row_key from quarantine.fct_interactions order by all")
            assert entries == [(DAY, "run-5", "e7"), (date(2026, 1, 6), "run-6", "e9")]
            again = run_gate(path, gated, RunContext("run-6b", date(2026, 1, day)))
            assert (again.passed, again.quarantined) == (True, 2)

    assert [result.quarantined for result in results] == [1, 2, 1, 0]
    assert all(result.passed for result in results)


def test_entries_go_when_every_bad_row_is_gone_at_once(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    gated = GatedTable(
        "storage", "marts", "fct_interactions", ("interaction_id",), "expectations.suites.fct_interactions"
    )
    build = """
        create schema if not exists integration; create schema if not exists resolution; create schema if not exists marts;
        create or replace table integration.int_customer_events as select 'e' || i as event_id from range(30) as t(i)
        where i <> 7 or {with_bad};
        create or replace table resolution.memberships as select 'r' as record_id;
        create or replace table marts.fct_interactions as
        select
            'e' || i as interaction_id, 'c' as customer_id, 'r' as record_id, 'a' as anonymous_id,
            case when i <> 7 then timestamp '2026-01-01' end as occurred_at
        from range(30) as t(i)
        where i <> 7 or {with_bad}
    """
    _query(path, build.format(with_bad="true"))
    held = [run_gate(path, gated, RunContext(f"run-{turn}", DAY)).quarantined for turn in (1, 2)]
    _query(path, build.format(with_bad="false"))
    gone = run_gate(path, gated, RunContext("run-3", DAY))

    assert held == [1, 1], "a second gate over the same table keeps what the first took out"
    assert (gone.quarantined, gone.passed) == (0, True)


def test_an_order_that_is_held_back_takes_its_event_along(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    gated = gate_of("integration", "int_orders")
    assert gated is not None
    _query(
        path,
        """
        create schema integration;
        create table integration.int_customer_records as select 'shop:1' as record_id;
        create table integration.int_orders as
        select
            'o' || i as order_id, 'shop:1' as record_id, timestamp '2026-01-01' as ordered_at,
            timestamp '2026-01-01' as updated_at, 'placed' as status, 'web' as channel, 'EUR' as currency,
            case when i = 7 then -1 else 1 end as amount, 1 as items, 'shop' as source, date '2026-01-05' as load_date
        from range(30) as t(i);
        create table integration.int_customer_events as
        select 'order_placed:' || order_id as event_id from integration.int_orders union all select 'page:o7'
        """,
    )
    for run_id in ("run-1", "run-2"):
        assert run_gate(path, gated, RunContext(run_id, DAY)).quarantined == 1
    left = {row[0] for row in _query(path, "select event_id from integration.int_customer_events")}
    assert left == {"page:o7", *(f"order_placed:o{i}" for i in range(30) if i != 7)}


def test_several_gates_run_in_one_opening_of_the_file(warehouse: Path) -> None:
    _add(warehouse, ("x", "bad", 102))

    first, second = run_gates(warehouse, [(GATE, TABLE), (GATE, TABLE)], RUN)

    assert (first.quarantined, len(first.failed_checks)) == (1, 1)
    assert (second.quarantined, len(second.failed_checks)) == (1, 0)
    assert _query(warehouse, "select count(*) from quarantine.src__people") == [(1,)]

"""SQLite files: text cursors, values of any type, and the whole way from the source into raw through the asset."""

import sqlite3
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from orchestration.sources.extract.errors import AnswerError, UnreachableError
from tests.integration.sources.asked import DAYS, Asked, table

FIFTH, SIXTH, SEVENTH = DAYS


def shop(tmp_path: Path, *statements: str) -> None:
    con = sqlite3.connect(tmp_path / "shop.sqlite")
    for statement in statements:
        con.execute(statement)
    con.commit()
    con.close()


def people_of(tmp_path: Path, delivery: str = "delta", cursor: str = "updated_at") -> Asked:
    custom = {"cursorColumn": cursor} if delivery == "delta" else {}
    return Asked(
        tmp_path,
        {"type": "custom", "path": "shop.sqlite", "customProperties": {"dialect": "sqlite"}},
        [table(**custom)],
        delivery,
    )


def test_text_times_are_the_cursor_and_a_path_counts_from_the_contract(tmp_path: Path) -> None:
    shop(
        tmp_path,
        "create table people (id integer primary key, name text, updated_at text)",
        "insert into people values (1, 'a', '2026-01-05 10:00:00'), (2, 'b', '2026-01-06 00:00:00')",
    )
    people = people_of(tmp_path)
    people.land(FIFTH)
    assert people.parquet(FIFTH) == [("1",)]
    shop(tmp_path, "insert into people values (3, 'c', '2026-01-05 10:00:00')")
    people.land(SIXTH)
    assert people.parquet(SIXTH) == [("2",), ("3",)]


def test_a_value_of_the_wrong_type_is_quarantined_and_takes_no_row_along(tmp_path: Path) -> None:
    shop(
        tmp_path,
        "create table people (id integer primary key, name text, updated_at datetime)",
        "insert into people values (1, 'a', '2026-01-05 10:00:00'), (2, x'00ff', '2026-01-05 soon')",
    )
    people = people_of(tmp_path)
    people.land(FIFTH)
    con = duckdb.connect()
    load = people.load(con, FIFTH)
    assert (load.rows_loaded, load.rows_quarantined) == (1, 1)
    found = con.execute("select check_name, value, record->>'name' from quarantine.vendor__people").fetchall()
    assert found == [("type:updated_at", "2026-01-05 soon", "00ff")]


def test_a_row_without_a_cursor_comes_every_day_for_the_gate_to_show(tmp_path: Path) -> None:
    shop(
        tmp_path,
        "create table people (id integer primary key, name text, updated_at text)",
        "insert into people values (1, 'a', '2026-01-05 10:00:00'), (2, 'b', null)",
    )
    people = people_of(tmp_path)
    people.land(FIFTH)
    people.land(SIXTH)
    assert people.parquet(SIXTH) == [("2",)]


def test_numbers_kept_as_text_are_no_cursor(tmp_path: Path) -> None:
    shop(
        tmp_path,
        "create table people (id text, name text, updated_at text)",
        "insert into people values ('9', 'a', '2026-01-05'), ('10', 'b', '2026-01-05')",
    )
    with pytest.raises(AnswerError, match="cursor column id holds values of the type str, the contract says bigint"):
        people_of(tmp_path, cursor="id").land(SEVENTH)


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match=r"there is no SQLite file .*shop\.sqlite"):
        people_of(tmp_path).land(FIFTH)
    assert not (tmp_path / "shop.sqlite").exists()


def test_a_swap_that_was_cut_off_is_mended(tmp_path: Path) -> None:
    shop(tmp_path, "create table people (id integer primary key, name text, updated_at text)")
    people = people_of(tmp_path)
    people.land(FIFTH)
    before = people.files(FIFTH)
    people.folder(FIFTH).rename(people.folder(FIFTH).with_name(f".{FIFTH}.replaced"))
    assert not people.land(FIFTH).extracted
    assert people.files(FIFTH) == before
    assert [path.name for path in people.folder(FIFTH).parent.iterdir()] == [str(FIFTH)]


def test_days_in_any_order_hold_every_row_exactly_once(tmp_path: Path) -> None:
    rows = [(n, f"p{n}", f"2026-01-0{5 + n % 3} 0{n % 4}:00:00") for n in range(30)]
    for i, order in enumerate(((0, 1, 2), (2, 0, 1), (1, 2, 0), (2, 1, 0))):
        folder = tmp_path / str(i)
        folder.mkdir()
        con = sqlite3.connect(folder / "shop.sqlite")
        con.execute("create table people (id integer primary key, name text, updated_at text)")
        con.executemany("insert into people values (?, ?, ?)", rows)
        con.commit()
        con.close()
        people = people_of(folder)
        for n in order:
            people.land(DAYS[n])
        for n in order:
            people.land(DAYS[n], again=True)
        taken = [int(row[0]) for day in DAYS for row in people.parquet(day)]
        assert sorted(taken) == list(range(30)), order


def test_the_asset_lands_the_day_and_loads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import dagster as dg

    from orchestration.defs.collection.assets import landing_spec, raw_asset
    from orchestration.defs.resources import run_lock

    today = date.today()
    shop(
        tmp_path,
        "create table people (id integer primary key, name text, updated_at text)",
        f"insert into people values (1, 'a', '{today} 00:00:00')",
    )
    people = people_of(tmp_path)
    monkeypatch.setenv("KINDRED_DATA", str(tmp_path))
    monkeypatch.setenv("KINDRED_CONTRACTS", str(tmp_path))
    contract = people.contract
    described = contract.tables[0]
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [landing_spec(contract, described), raw_asset(contract, described)],
            partition_key=str(today),
            resources={"run_lock": run_lock},
            instance=instance,
        )
    assert result.success
    metadata = result.asset_materializations_for_node("raw__vendor__people")[0].metadata
    assert metadata["extracted"].value
    assert (people.folder(today) / "_SUCCESS").exists()
    with duckdb.connect(str(tmp_path / "warehouse" / "kindred.duckdb"), read_only=True) as con:
        assert con.execute("select id, name from raw.vendor__people").fetchall() == [(1, "a")]


def test_sources_that_are_asked_run_today_and_any_other_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestration.days import days_to_run
    from orchestration.project import load_project

    people_of(tmp_path)
    monkeypatch.setenv("KINDRED_DATA", str(tmp_path))
    monkeypatch.setenv("KINDRED_CONTRACTS", str(tmp_path))
    today = datetime.now(UTC).date()
    assert days_to_run(load_project(), None, every=False) == [today]
    assert days_to_run(load_project(), FIFTH, every=False) == [FIFTH]
    (tmp_path / "landing" / "vendor" / str(FIFTH)).mkdir(parents=True)
    assert days_to_run(load_project(), None, every=True) == [FIFTH, today]


def test_a_backfill_asks_for_days_that_have_not_landed_as_far_as_the_source_knows_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration.days import NothingLandedError, days_between
    from orchestration.project import load_project

    monkeypatch.setenv("KINDRED_DATA", str(tmp_path))
    monkeypatch.setenv("KINDRED_CONTRACTS", str(tmp_path))
    today = datetime.now(UTC).date()
    people_of(tmp_path)
    assert days_between(load_project(), FIFTH, SEVENTH) == [FIFTH, SIXTH, SEVENTH]
    assert days_between(load_project(), today, today + timedelta(days=3)) == [today]
    for cannot in ({"delivery": "snapshot"}, {"cursor": "id"}):
        # What a table held, or which of its numbers were new, on a day long gone is not known any more.
        people_of(tmp_path, **cannot)
        with pytest.raises(NothingLandedError):
            days_between(load_project(), FIFTH, SEVENTH)
        assert days_between(load_project(), today, None) == [today]


def test_extracting_again_takes_landed_days_anew_and_leaves_what_others_put_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration.days import extract_again
    from orchestration.project import load_project

    shop(
        tmp_path,
        "create table people (id integer primary key, name text, updated_at text)",
        "insert into people values (1, 'a', '2026-01-05 10:00:00'), (2, 'b', '2026-01-05 11:00:00')",
        "insert into people values (3, 'c', '2026-01-06 10:00:00'), (4, 'd', '2026-01-06 11:00:00')",
    )
    people = people_of(tmp_path)
    for day in (FIFTH, SIXTH):
        people.land(day)
    by_hand = people.folder(SEVENTH) / "people.parquet"
    by_hand.parent.mkdir()
    by_hand.write_bytes(b"by hand")
    shop(tmp_path, "update people set name = 'mended' where id in (1, 3)")
    monkeypatch.setenv("KINDRED_DATA", str(tmp_path))
    monkeypatch.setenv("KINDRED_CONTRACTS", str(tmp_path))
    extract_again(load_project(), [FIFTH, SIXTH, SEVENTH])
    for day, rows in ((FIFTH, [("1", "mended"), ("2", "b")]), (SIXTH, [("3", "mended"), ("4", "d")])):
        file = people.folder(day) / "people.parquet"
        assert duckdb.sql(f"select id, name from '{file}' order by id").fetchall() == rows
    assert by_hand.read_bytes() == b"by hand"

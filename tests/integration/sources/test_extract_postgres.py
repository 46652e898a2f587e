"""A real Postgres: what is new each day, snapshots, types, chunks, and every way in which it can refuse."""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from orchestration.sources.extract.errors import AccessError, AnswerError, UnreachableError
from tests.integration.sources.asked import DAYS, Asked, column, table
from tests.integration.sources.servers_for_tests import POSTGRES_PASSWORD, Postgres, free_port

FIFTH, SIXTH, SEVENTH = DAYS
CREATE = "create table people (id int primary key, name text, updated_at timestamptz not null)"


def server_of(postgres: Postgres, **custom: Any) -> dict[str, Any]:
    return {
        "type": "postgres",
        "host": "127.0.0.1",
        "port": postgres.port,
        "database": "postgres",
        "schema": "public",
        "customProperties": {"user": "kindred", "passwordVariable": "VENDOR_PASSWORD", **custom},
    }


@pytest.fixture
def source(postgres: Postgres, tmp_path: Path) -> Callable[..., Asked]:
    def make(tables: list[dict[str, Any]] | None = None, delivery: str = "delta", **custom: Any) -> Asked:
        default = table(cursorColumn="updated_at") if delivery == "delta" else table()
        asked = Asked(tmp_path, server_of(postgres, **custom), tables or [default], delivery)
        asked.environment["VENDOR_PASSWORD"] = POSTGRES_PASSWORD
        return asked

    return make


def insert(postgres: Postgres, *rows: tuple[int, str, str]) -> None:
    postgres.execute(*(f"insert into people values ({id}, '{name}', '{at}')" for id, name, at in rows))


def test_each_day_takes_what_is_new_until_its_end(postgres: Postgres, source: Callable[..., Asked]) -> None:
    postgres.execute(CREATE)
    insert(
        postgres,
        (1, "old", "2025-06-01 00:00+00"),
        (2, "fifth", "2026-01-05 23:59:59.999999+00"),
        (3, "sixth", "2026-01-06 00:00+00"),
        (4, "fifth in New York, sixth in UTC", "2026-01-05 22:00-05"),
    )
    people = source()
    assert people.land(FIFTH).rows == 2
    assert people.parquet(FIFTH) == [(1,), (2,)]
    assert people.land(SIXTH).rows == 2
    assert people.parquet(SIXTH) == [(3,), (4,)]
    postgres.execute("update people set name = 'changed', updated_at = '2026-01-07 12:00+00' where id = 1")
    assert people.land(SEVENTH).rows == 1
    assert people.parquet(SEVENTH, "id, name") == [(1, "changed")]


def test_a_landed_day_is_not_asked_again_unless_told(postgres: Postgres, source: Callable[..., Asked]) -> None:
    postgres.execute(CREATE)
    insert(postgres, (1, "a", "2026-01-05 10:00+00"))
    people = source()
    assert people.land(FIFTH).extracted
    before = people.files(FIFTH)
    assert set(before) == {"people.parquet", "_state.json", "_SUCCESS"}
    insert(postgres, (2, "b", "2026-01-05 11:00+00"))
    assert not people.land(FIFTH).extracted
    assert people.files(FIFTH) == before
    assert people.land(FIFTH, again=True).rows == 2
    assert people.parquet(FIFTH) == [(1,), (2,)]


def test_a_day_taken_again_gives_the_same_files_and_leaves_later_days_their_rows(
    postgres: Postgres, source: Callable[..., Asked]
) -> None:
    postgres.execute(CREATE)
    insert(postgres, *((n, f"p{n}", f"2026-01-0{5 + n % 3} 0{n % 8}:00+00") for n in range(20)))
    people = source()
    for day in DAYS:
        people.land(day)
    before = {day: people.files(day) for day in DAYS}
    # These belong to days that have landed, but came after: the newest day takes them, not the one between.
    insert(postgres, (100, "late", "2026-01-06 23:00+00"), (101, "late", "2026-01-07 23:00+00"))
    people.land(SIXTH, again=True)
    assert people.files(SIXTH) == before[SIXTH]
    people.land(FIFTH, again=True)
    assert people.files(FIFTH) == before[FIFTH]
    people.land(SEVENTH, again=True)
    assert {row[0] for row in people.parquet(SEVENTH)} >= {100, 101}


def test_rows_of_one_moment_are_taken_once_and_none_is_left_out(
    postgres: Postgres, source: Callable[..., Asked]
) -> None:
    postgres.execute(CREATE)
    insert(postgres, (1, "a", "2026-01-05 10:00+00"), (2, "b", "2026-01-05 10:00+00"))
    people = source()
    people.land(FIFTH)
    insert(postgres, (3, "c", "2026-01-05 10:00+00"))
    people.land(SIXTH)
    assert people.parquet(SIXTH) == [(3,)]
    people.land(SEVENTH)
    assert people.parquet(SEVENTH) == []
    before = people.files(FIFTH)
    people.land(FIFTH, again=True)
    assert people.files(FIFTH) == before


def test_a_day_between_landed_days_has_nothing_of_its_own(postgres: Postgres, source: Callable[..., Asked]) -> None:
    postgres.execute(CREATE)
    insert(postgres, (1, "a", "2026-01-05 10:00+00"), (2, "b", "2026-01-06 10:00+00"))
    people = source()
    people.land(FIFTH)
    people.land(SEVENTH)
    assert people.parquet(SEVENTH) == [(2,)]
    assert people.land(SIXTH).rows == 0


def test_a_snapshot_shows_what_was_deleted_by_its_absence(postgres: Postgres, source: Callable[..., Asked]) -> None:
    postgres.execute(CREATE)
    insert(postgres, (1, "a", "2026-01-05 10:00+00"), (2, "b", "2026-01-05 10:00+00"))
    people = source(delivery="snapshot")
    now = datetime.fromisoformat("2026-01-06T06:00+00:00")
    people.land(FIFTH, now=now)
    postgres.execute("delete from people where id = 1")
    people.land(SIXTH, now=now)
    con = duckdb.connect()
    for day in (FIFTH, SIXTH):
        people.load(con, day)
    rows = con.execute("select _load_date, id from raw.vendor__people order by all").fetchall()
    assert rows == [(FIFTH, 1), (FIFTH, 2), (SIXTH, 2)]


def test_a_snapshot_of_a_day_long_gone_is_not_made_up(postgres: Postgres, source: Callable[..., Asked]) -> None:
    postgres.execute(CREATE)
    people = source(delivery="snapshot")
    landed = people.land(date(2025, 12, 24))
    assert not landed.extracted
    assert "can no longer be asked" in landed.note
    assert not people.folder(date(2025, 12, 24)).exists()


def test_types_arrive_in_raw_as_the_contract_says(postgres: Postgres, source: Callable[..., Asked]) -> None:
    postgres.execute(
        "create type mood as enum ('glad', 'sad')",
        """create table people (
            id bigint primary key, updated_at timestamptz not null, amount numeric(12, 2), free numeric, seen timestamp,
            born date, active boolean, tags text[], extra jsonb, token uuid, feeling mood, ratio double precision
        )""",
        """insert into people values
            (9007199254740993, '2026-01-05 10:00+02', 12.30, 1.5, '2026-01-05 10:00', '1990-02-28', true,
             '{a,"b c"}', '{"k": [1, 2]}', '0d5c1f52-6f6e-4a53-9c5f-2a8a3e1f0c11', 'glad', 0.25),
            (2, '2026-01-05 11:00+00', null, null, null, null, null, null, null, null, null, null)""",
    )
    columns = [
        column("id", "integer", primaryKey=True),
        column("updated_at", "timestamp", required=True),
        column("amount", "number", physicalType="decimal(12,2)"),
        column("free", "number"),
        column("seen", "timestamp"),
        column("born", "date"),
        column("active", "boolean"),
        column("tags", "array"),
        column("extra", "object"),
        column("token"),
        column("feeling"),
        column("ratio", "number"),
    ]
    people = source([table(columns=columns, cursorColumn="updated_at")])
    people.land(FIFTH)
    con = duckdb.connect()
    con.execute("set timezone = 'Asia/Tokyo'")
    load = people.load(con, FIFTH)
    assert (load.rows_loaded, load.rows_quarantined) == (2, 0)
    rows = con.execute("select * exclude (_load_date, _file, _row) from raw.vendor__people order by id").fetchall()
    assert rows[0] == (2, datetime(2026, 1, 5, 11), *[None] * 10)
    assert rows[1] == (
        9007199254740993,
        datetime(2026, 1, 5, 8),
        Decimal("12.30"),
        1.5,
        datetime(2026, 1, 5, 10),
        date(1990, 2, 28),
        True,
        '["a", "b c"]',
        '{"k": [1, 2]}',
        "0d5c1f52-6f6e-4a53-9c5f-2a8a3e1f0c11",
        "glad",
        0.25,
    )


def test_a_big_table_is_read_in_chunks_and_every_table_of_one_moment(
    postgres: Postgres, source: Callable[..., Asked]
) -> None:
    postgres.execute(
        CREATE,
        "insert into people select n, 'p' || n, timestamptz '2026-01-05 00:00+00' + n * interval '1 second' "
        "from generate_series(1, 1050) n",
        "create table pets as select id, name, updated_at from people",
    )
    people = source(
        [table(cursorColumn="updated_at"), table("pets", cursorColumn="updated_at", physical="pets")], chunkRows=100
    )
    assert people.land(FIFTH).rows == 2100
    file = pq.ParquetFile(people.folder(FIFTH) / "people.parquet")
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [100] * 10 + [50]


def test_a_number_can_be_the_cursor(postgres: Postgres, source: Callable[..., Asked]) -> None:
    postgres.execute(CREATE, "insert into people values (9, 'a', '2026-01-05'), (10, 'b', '2026-01-05')")
    people = source([table(cursorColumn="id")])
    people.land(SEVENTH)
    postgres.execute("insert into people values (11, 'c', '2020-01-01')")
    people.land(date(2026, 1, 8))
    assert people.parquet(date(2026, 1, 8)) == [(11,)]
    # A number does not tell what was new on a day long gone.
    assert people.land(date(2025, 12, 1)).rows == 0


def test_only_what_the_contract_describes_is_taken_unless_all_is_asked_for(
    postgres: Postgres, source: Callable[..., Asked]
) -> None:
    postgres.execute(
        "create table people (id int primary key, name text, updated_at timestamptz, shoe_size int, tax_id text)",
        "insert into people values (1, 'a', '2026-01-05 10:00+00', 40, 'secret')",
    )
    people = source()
    assert people.land(FIFTH).note == "people: left out shoe_size, tax_id"
    assert b"tax_id" not in people.files(FIFTH)["people.parquet"]
    everything = table(cursorColumn="updated_at")
    everything["customProperties"].append({"property": "columns", "value": "all"})
    people.write(server_of(postgres), [everything])
    people.land(FIFTH, again=True)
    assert people.parquet(FIFTH, "shoe_size") == [(40,)]


def test_a_password_comes_from_the_environment_and_stands_in_no_message(
    postgres: Postgres, source: Callable[..., Asked]
) -> None:
    postgres.execute(CREATE)
    people = source()
    people.environment = {}
    with pytest.raises(AccessError, match=r"vendor: the environment variable VENDOR_PASSWORD.*is not set"):
        people.land(FIFTH)
    people.environment["VENDOR_PASSWORD"] = "wrong-and-private"
    with pytest.raises(AccessError, match=r"refuses access.*authentication failed") as refused:
        people.land(FIFTH)
    assert "wrong-and-private" not in str(refused.value)
    assert not people.folder(FIFTH).exists()


def test_a_whole_address_can_come_from_the_environment(postgres: Postgres, tmp_path: Path) -> None:
    postgres.execute(CREATE)
    insert(postgres, (1, "a", "2026-01-05 10:00+00"))
    server = {"type": "custom", "customProperties": {"urlVariable": "VENDOR_URL"}}
    people = Asked(tmp_path, server, [table(cursorColumn="updated_at")])
    people.environment["VENDOR_URL"] = postgres.url.replace("postgresql+psycopg", "postgresql")
    assert people.land(FIFTH).rows == 1
    people.environment["VENDOR_URL"] = "//no address:private@"
    with pytest.raises(AccessError, match="VENDOR_URL holds no SQLAlchemy address") as refused:
        people.land(SIXTH)
    assert "private" not in str(refused.value)


def test_what_is_not_there_is_named_with_the_likely_one(postgres: Postgres, source: Callable[..., Asked]) -> None:
    postgres.execute(CREATE.replace("people", "peoples").replace("name", "full_name"))
    people = source()
    with pytest.raises(AnswerError, match=r"vendor: table people is not there \(do you mean 'peoples'\?\)"):
        people.land(FIFTH)
    postgres.execute("alter table peoples rename to people")
    with pytest.raises(AnswerError, match=r"no column 'name' \(renamed to 'full_name'\?\)"):
        people.land(FIFTH)


def test_a_missing_right_is_told_apart_from_a_missing_table(postgres: Postgres, source: Callable[..., Asked]) -> None:
    postgres.execute(
        CREATE,
        "drop role if exists reader",
        f"create role reader login password '{POSTGRES_PASSWORD}'",
        "grant usage on schema public to reader",
    )
    people = source(user="reader")
    with pytest.raises(AccessError, match="permission denied for table people"):
        people.land(FIFTH)


def test_a_server_that_is_away_is_asked_again_and_a_day_is_whole_or_not_there(
    postgres: Postgres, source: Callable[..., Asked]
) -> None:
    postgres.execute(CREATE)
    insert(postgres, (1, "a", "2026-01-05 10:00+00"))
    people = source()
    postgres.stop()
    try:
        with pytest.raises(UnreachableError, match=r"cannot be read after 3 attempts.*Check that it runs"):
            people.land(FIFTH)
        assert not people.folder(FIFTH).exists()
    finally:
        postgres.start()
    assert people.land(FIFTH).rows == 1


def test_the_source_cannot_be_written_to(postgres: Postgres, source: Callable[..., Asked]) -> None:
    postgres.execute(
        CREATE,
        "create function grow() returns int language plpgsql as "
        "$$ begin insert into people values (7, 'x', now()); return 1; end $$",
        "create view sly as select grow() as id, 'a' as name, timestamptz '2026-01-05 10:00+00' as updated_at",
    )
    people = source([table(cursorColumn="updated_at", physical="sly")])
    with pytest.raises(AnswerError, match="read-only transaction"):
        people.land(FIFTH)


def test_an_unused_port_is_no_database(tmp_path: Path) -> None:
    server = {
        "type": "postgres", "host": "127.0.0.1", "port": free_port(), "database": "x",
        "customProperties": {"user": "nobody"},
    }  # fmt: skip
    people = Asked(tmp_path, server, [table()], "snapshot")
    with pytest.raises(UnreachableError, match=r"vendor: database x on 127\.0\.0\.1"):
        people.land(SEVENTH)


def test_a_connection_that_breaks_within_a_table_is_begun_anew(
    postgres: Postgres, source: Callable[..., Asked], monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration.sources.extract import sql

    postgres.execute(
        CREATE, "insert into people select n, repeat('x', 2000), '2026-01-05 10:00+00' from generate_series(1, 20000) n"
    )
    people, batch, broken = source(chunkRows=100), sql._Taker._batch, []

    def breaks_once(self: Any, *arguments: Any) -> Any:
        if not broken:
            broken.append(True)
            postgres.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() "
                "and backend_type = 'client backend'"
            )
        return batch(self, *arguments)

    monkeypatch.setattr(sql._Taker, "_batch", breaks_once)
    assert people.land(FIFTH).rows == 20000
    assert broken
    assert len(people.parquet(FIFTH)) == 20000


def test_another_cursor_reads_the_table_from_its_beginning(postgres: Postgres, source: Callable[..., Asked]) -> None:
    postgres.execute(CREATE)
    insert(postgres, (1, "a", "2026-01-06 10:00+00"), (2, "b", "2026-01-05 10:00+00"))
    source().land(SIXTH)
    people = source([table(cursorColumn="id")])
    people.land(SEVENTH)
    assert people.parquet(SEVENTH) == [(1,), (2,)]


def test_a_cursor_that_changed_its_type_is_refused(postgres: Postgres, source: Callable[..., Asked]) -> None:
    postgres.execute(CREATE)
    insert(postgres, (1, "a", "2026-01-05 10:00+00"))
    people = source()
    people.land(FIFTH)
    postgres.execute("alter table people alter column updated_at type timestamp")
    insert(postgres, (2, "b", "2026-01-06 10:00"))
    with pytest.raises(AnswerError, match="updated_at has another type than on the days before"):
        people.land(SIXTH)


@pytest.mark.parametrize(
    ("column_type", "value", "message"),
    [
        ("numeric(5, 2)", "NaN", "a value of the column odd does not fit decimal"),
        ("date", "infinity", "date too large"),
    ],
)
def test_a_value_that_nothing_can_hold_names_its_column(
    postgres: Postgres, source: Callable[..., Asked], column_type: str, value: str, message: str
) -> None:
    postgres.execute(
        f"create table people (id int primary key, updated_at timestamptz not null, odd {column_type})",
        f"insert into people values (1, '2026-01-05 10:00+00', '{value}')",
    )
    columns = [
        column("id", "integer", primaryKey=True),
        column("updated_at", "timestamp", required=True),
        column("odd"),
    ]
    people = source([table(columns=columns, cursorColumn="updated_at")])
    with pytest.raises(AnswerError, match=message):
        people.land(FIFTH)

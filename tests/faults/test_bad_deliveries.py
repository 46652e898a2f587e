"""Every way in which a delivery can be bad: an error or a quarantine entry names file and row, and nothing is lost."""

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.sources.contract import Contract, Table, load_contract
from orchestration.sources.deliveries import landed_days
from orchestration.sources.load import LoadResult, load_day
from orchestration.sources.read import DriftError, MissingFileError, UnreadableFileError

DAY = date(2026, 1, 5)
CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: people
version: 1.0.0
status: active
team: {{name: t, members: [{{username: owner@example.com, role: owner}}]}}
servers: [{{server: landing, type: local, path: "people/{{date}}", format: {format}, encoding: {encoding}}}]
slaProperties: [{{property: frequency, value: 1, unit: d}}]
schema:
  - name: members
    physicalName: members.*
    customProperties: [{{property: feeds, value: [customer_records]}}]
    properties:
      - {{name: id, logicalType: string, primaryKey: true, classification: pseudonymous}}
      - {{name: name, logicalType: string, classification: personal}}
      - {{name: born, physicalName: {born}, logicalType: date, logicalTypeOptions: {{format: dd/MM/yyyy}}, classification: personal}}
      - {{name: points, logicalType: integer, classification: internal}}
"""
HEADER = "id,name,born,points"


class Delivery:
    """A landing folder, its contract and a warehouse, with the day's file to write and load."""

    def __init__(self, folder: Path, format: str, encoding: str) -> None:
        path = folder / "people.odcs.yaml"
        path.write_text(CONTRACT.format(format=format, encoding=encoding, born="born"))
        self.contract: Contract = load_contract(path)
        self.table: Table = self.contract.tables[0]
        self.landing = folder / "landing"
        self.file = self.landing / "people" / str(DAY) / f"members.{format}"
        self.file.parent.mkdir(parents=True)
        self.con = duckdb.connect()

    def load(self, content: bytes | str | None = None, day: date = DAY) -> LoadResult:
        if content is not None:
            file = self.landing / "people" / str(day) / self.file.name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return load_day(self.con, self.contract, self.table, day, self.landing, "run")

    def raw(self) -> list[tuple]:
        return self.con.execute("select id, name, born, points, _row from raw.people__members order by all").fetchall()

    def quarantine(self) -> list[tuple]:
        return self.con.execute(
            "select check_name, file, row_number, value from quarantine.people__members order by row_number, check_name, file"
        ).fetchall()


@pytest.fixture
def delivery(tmp_path: Path) -> Iterator[Callable[..., Delivery]]:
    opened: list[Delivery] = []

    def make(format: str = "csv", encoding: str = "utf-8") -> Delivery:
        opened.append(Delivery(tmp_path, format, encoding))
        return opened[-1]

    yield make
    for item in opened:
        item.con.close()


def test_a_missing_file_names_what_was_owed_and_by_whom(delivery: Callable[..., Delivery]) -> None:
    people = delivery()
    (people.file.parent / "other.csv").write_text("x")
    with pytest.raises(
        MissingFileError, match=r"people/2026-01-05: no file members\.\* .*there: other\.csv.*owner@example"
    ):
        people.load()


def test_an_empty_file_is_told_from_a_day_without_changes(delivery: Callable[..., Delivery]) -> None:
    people = delivery()
    with pytest.raises(UnreadableFileError, match=r"members\.csv is empty \(0 bytes\)"):
        people.load("")
    assert people.load(HEADER + "\n").rows_landed == 0


def test_columns_that_are_missing_extra_or_renamed_stop_the_table(delivery: Callable[..., Delivery]) -> None:
    people = delivery()
    with pytest.raises(DriftError, match="missing: 'points'"):
        people.load("id,name,born\n1,a,01/02/1990\n")
    with pytest.raises(DriftError, match="not in the contract: 'tier'"):
        people.load(f"{HEADER},tier\n1,a,01/02/1990,5,gold\n")
    with pytest.raises(DriftError, match=r"missing: 'points' \(renamed to 'point'\?\)"):
        people.load("id,name,born,point\n1,a,01/02/1990,5\n")


def test_reordered_columns_are_read_by_name(delivery: Callable[..., Delivery]) -> None:
    people = delivery()
    people.load("points,born,name,id\n5,01/02/1990,Ann,1\n")
    assert people.raw() == [("1", "Ann", date(1990, 2, 1), 5, 2)]


def test_broken_csv_lines_go_to_quarantine_with_their_row_and_take_no_other_row_along(
    delivery: Callable[..., Delivery],
) -> None:
    people = delivery()
    lines = [HEADER, "1,a,,1", "2,short", '3,"never closed,,3', "4,d,,4", "5,e,,5,too,many", '6,"f ""quoted""",,6']
    load = people.load("\n".join(lines) + "\n")
    assert [(row[0], row[4]) for row in people.raw()] == [("1", 2), ("4", 5), ("6", 7)]
    assert [(check, row) for check, _, row, _ in people.quarantine()] == [("malformed_line", n) for n in (3, 4, 6)]
    assert {file for _, file, _, _ in people.quarantine()} == {"people/2026-01-05/members.csv"}
    assert people.quarantine()[1][3] == lines[3]
    assert (load.rows_landed, load.rows_loaded, load.rows_quarantined) == (6, 3, 3)


@pytest.mark.parametrize("header_and_quotes", [[HEADER], [HEADER, '0,"in ""two""\nlines",,0']])
@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
@pytest.mark.parametrize("broken", [1, 40, 60])
def test_a_quote_that_nothing_closes_takes_no_other_row_along(
    delivery: Callable[..., Delivery], header_and_quotes: list[str], end: str, broken: int
) -> None:
    people = delivery()
    first = len(header_and_quotes)
    lines = [*header_and_quotes, *(f'{i},"never closed,,{i}' if i == broken else f"{i},a,,{i}" for i in range(1, 61))]
    load = people.load((end or "\n").join(lines) + end)
    expected = [(str(i), i + first) for i in range(1, 61) if i != broken]
    assert sorted(((row[0], row[4]) for row in people.raw() if row[0] != "0"), key=lambda row: row[1]) == expected
    assert [(check, row) for check, _, row, _ in people.quarantine()] == [("malformed_line", broken + first)]
    assert load.rows_landed == 59 + first


def test_values_of_the_wrong_type_go_to_quarantine_with_row_and_value(delivery: Callable[..., Delivery]) -> None:
    people = delivery()
    people.load(f"{HEADER}\n1,a,31/02/1990,1\n2,b,01/02/1990,many\n3,c,,\n")
    assert [row[0] for row in people.raw()] == ["3"]
    assert people.quarantine() == [
        ("type:born", "people/2026-01-05/members.csv", 2, "31/02/1990"),
        ("type:points", "people/2026-01-05/members.csv", 3, "many"),
    ]
    kept = people.con.execute("select record->>'name' from quarantine.people__members order by 1").fetchall()
    assert kept == [("a",), ("b",)]


def test_bytes_that_are_not_utf8_are_quarantined_row_by_row(delivery: Callable[..., Delivery]) -> None:
    people = delivery()
    people.load(f"{HEADER}\n1,a,,1\n".encode() + b"2,M\xfcller,,2\n3,c,,3\n")
    assert [row[0] for row in people.raw()] == ["1", "3"]
    assert [(check, row) for check, _, row, _ in people.quarantine()] == [("malformed_line", 3)]


def test_a_declared_encoding_is_honoured_and_a_wrong_one_refused(
    delivery: Callable[..., Delivery], tmp_path: Path
) -> None:
    people = delivery(encoding="latin-1")
    people.load(f"{HEADER}\n1,Müller,,1\n".encode("latin-1"))
    assert people.raw()[0][1] == "Müller"
    (tmp_path / "ascii").mkdir()
    other = Delivery(tmp_path / "ascii", "csv", "ascii")
    with pytest.raises(UnreadableFileError, match=r"members\.csv is not ascii: byte 0xc3"):
        other.load(f"{HEADER}\n1,Müller,,1\n")
    other.con.close()


def test_a_byte_order_mark_is_no_part_of_the_first_column(delivery: Callable[..., Delivery]) -> None:
    people = delivery()
    people.load(f"\ufeff{HEADER}\n1,a,,1\n")
    assert people.raw()[0][0] == "1"


def test_malformed_json_lines_go_to_quarantine_with_their_row(delivery: Callable[..., Delivery]) -> None:
    people = delivery("jsonl")
    lines = ['{"id": "1", "name": "a"}', '{"id": "2", ', "", "[1, 2]", '{"id": "5", "points": 7}']
    load = people.load("\n".join(lines) + "\n")
    assert [(row[0], row[3], row[4]) for row in people.raw()] == [("1", None, 1), ("5", 7, 5)]
    assert [(check, row) for check, _, row, _ in people.quarantine()] == [("malformed_line", 2), ("malformed_line", 4)]
    assert load.rows_landed == 4


def test_a_truncated_parquet_file_is_named_and_leaves_the_table_as_it_was(delivery: Callable[..., Delivery]) -> None:
    people = delivery("parquet")
    rows = pa.table({"id": ["1", "2"], "name": ["a", "b"], "born": ["01/02/1990", None], "points": [1, 2]})
    pq.write_table(rows, people.file)
    assert people.load().rows_loaded == 2
    before = people.raw()
    people.file.write_bytes(people.file.read_bytes()[:-40])
    with pytest.raises(UnreadableFileError, match=r"people/2026-01-05/members\.parquet cannot be read as Parquet"):
        people.load()
    assert people.raw() == before


def test_a_failed_reload_leaves_the_earlier_rows_and_quarantine(delivery: Callable[..., Delivery]) -> None:
    people = delivery()
    people.load(f"{HEADER}\n1,a,bad,1\n2,b,,2\n")
    before = people.raw(), people.quarantine()
    with pytest.raises(DriftError):
        people.load("id,name\n1,a\n")
    assert (people.raw(), people.quarantine()) == before


def test_loading_a_day_again_changes_nothing(delivery: Callable[..., Delivery]) -> None:
    people = delivery()
    first = people.load(f"{HEADER}\n1,a,bad,1\n2,b,,2\n")
    before = people.raw(), people.quarantine()
    second = people.load()
    assert not first.unchanged
    assert second.unchanged
    assert (people.raw(), people.quarantine()) == before


def test_a_corrected_file_replaces_the_day_and_its_quarantine(delivery: Callable[..., Delivery]) -> None:
    people = delivery()
    people.load(f"{HEADER}\n1,a,bad,1\n2,b,,2\n")
    people.load(f"{HEADER}\n1,a,01/02/1990,1\n2,b,,2\n")
    assert [row[0] for row in people.raw()] == ["1", "2"]
    assert people.quarantine() == []


def test_a_changed_contract_loads_every_day_again_in_its_new_shape(
    delivery: Callable[..., Delivery], tmp_path: Path
) -> None:
    people = delivery()
    people.load(f"{HEADER}\n1,a,,1\n")
    people.load(f"{HEADER}\n2,b,,2\n", date(2026, 1, 6))
    path = tmp_path / "people.odcs.yaml"
    path.write_text(path.read_text().replace("name: points, logicalType: integer", "name: points, logicalType: string"))
    people.contract = load_contract(path)
    people.table = people.contract.tables[0]
    people.load(day=date(2026, 1, 6))
    assert [row[3] for row in people.raw()] == ["1", "2"]


DAYS = [date(2026, 1, 5), date(2026, 1, 6), date(2026, 1, 7)]


@settings(max_examples=15, deadline=None)
@given(order=st.lists(st.sampled_from(DAYS), min_size=3, max_size=7).filter(lambda days: set(days) == set(DAYS)))
def test_late_repeated_and_unordered_days_give_the_state_of_the_ordered_run(
    tmp_path_factory: pytest.TempPathFactory, order: list[date]
) -> None:
    def state(days: list[date]) -> tuple[list[tuple], list[tuple]]:
        people = Delivery(tmp_path_factory.mktemp("days"), "csv", "utf-8")
        for n, day in enumerate(DAYS):
            folder = people.landing / "people" / str(day)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "members.csv").write_text(f"{HEADER}\n{n},a,,1\n9,z,,{n}\n8,bad,x,1\n")
        for day in days:
            people.load(day=day)
        result = people.raw(), people.quarantine()
        people.con.close()
        return result

    assert state(order) == state(DAYS)


def test_only_dated_folders_of_active_sources_are_landing_days(tmp_path: Path) -> None:
    for folder in ("crm/2026-01-06", "crm/2026-01-05", "crm/notes", "other/2026-01-04"):
        (tmp_path / folder).mkdir(parents=True)
    assert landed_days(tmp_path, {"crm"}) == [date(2026, 1, 5), date(2026, 1, 6)]

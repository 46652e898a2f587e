"""How files are written: encodings, separators, headers, spreadsheets."""

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestration.scaffold.errors import FileFormatError, ScaffoldError
from orchestration.scaffold.plan import SourcePlan, table_name
from orchestration.scaffold.profile import raw_names
from tests.unit.scaffold.user_files import workbook

Planned = Callable[..., SourcePlan]
ROWS = [["id", "first name", "town"], *[[str(i), "Zoë", "Köln"] for i in range(5)]]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_encodings_and_separators(plan: Planned, tmp_path: Path, encoding: str, delimiter: str) -> None:
    path = tmp_path / "list.csv"
    extra = "€" if encoding == "cp1252" else ""
    text = "\n".join(delimiter.join(row) for row in ROWS)
    path.write_bytes((text + extra + "\n").encode(encoding))

    found = plan(path)

    assert found.profile.file.encoding == encoding.removesuffix("-sig")
    assert found.profile.file.delimiter == delimiter
    assert [column.name for column in found.columns] == ["id", "first_name", "town"]
    assert found.profile.columns[1].sample == (("Zoë", 5),)


def test_names_that_are_missing_or_stand_twice(plan: Planned) -> None:
    found = plan("list.csv", ",first_name,Email,email\n" + "".join(f"{i},Anna,a{i}@b.example,\n" for i in range(4)))

    assert [column.profile.physical_name for column in found.columns] == ["column_1", "first_name", "Email", "email_2"]
    assert any("has no name" in note for note in found.flags)
    assert found.profile.file.path != found.profile.file.original


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.csv", "", "is empty"),
        ("list.csv", "17,anna@example.org,2020-01-05\n18,max@example.org,2020-02-05\n", "looks like data"),
        ("list.csv", "Customers of November\n\nid,name,town\n1,Anna,Ely\n2,Max,Ely\n", "first line"),
        ("list.csv", "id,name\n", "no row"),
        ("list.json", '[\n{"id": 1}\n]\n', "jq"),
        ("list.csv.gz", "x", "cannot be unpacked"),
        ("list.zip", "x", "Unpack it first"),
        ("list.docx", "x", "is none of"),
        ("list.parquet", "no parquet", "cannot be read as Parquet"),
    ],
)
def test_refused(plan: Planned, name: str, content: str, message: str) -> None:
    with pytest.raises(FileFormatError, match=message):
        plan(name, content)


def test_other_alphabets_have_to_be_utf8(plan: Planned, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes("номер,имя\n1,Анна\n2,Максим\n".encode("cp1251"))

    with pytest.raises(FileFormatError, match="Save it as UTF-8"):
        plan(path)


def test_a_spreadsheet_lands_as_csv(plan: Planned, tmp_path: Path) -> None:
    pytest.importorskip("python_calamine")
    rows: list[list[object]] = [["Customer ID", "Name", "Year of birth"]]
    path = workbook(tmp_path / "people.xlsx", rows + [[100 + i, f"Anna Nr{'abcdefgh'[i]}", 1980 + i] for i in range(8)])

    found = plan(path)

    assert found.profile.file.format == "csv"
    assert [column.physical_name for column in found.keys.columns] == ["Customer ID"]
    assert found.profile.file.path.read_text(encoding="utf-8").splitlines()[1] == "100,Anna Nra,1980"
    assert found.fed()["birth_year"].semantic == "birth_date"


def test_without_any_key_the_whole_row_counts(plan: Planned) -> None:
    found = plan("list.csv", "first_name,last_name,town\n" + "Anna,Koch,Ely\nAnna,Koch,Ely\nMax,Weiß,Ely\n" * 3)

    assert (found.keys.columns, found.keys.record) == ((), None)
    assert any("has no key" in flag for flag in found.flags)


def test_versions_of_a_record(plan: Planned) -> None:
    rows = "".join(f"{i % 10},Anna,Koch,2025-0{1 + i // 10}-05T08:00:00Z\n" for i in range(30))
    found = plan("list.csv", f"customer_id,first_name,last_name,updated_at\n{rows}")

    assert [column.name for column in found.keys.columns] == ["customer_id"]
    assert found.version is not None and found.version.name == "updated_at"


def test_a_key_that_repeats_is_refused(plan: Planned) -> None:
    with pytest.raises(ScaffoldError, match="do not tell"):
        plan("list.csv", "id,first_name\n1,Anna\n1,Max\n2,Eva\n", key="id")
    with pytest.raises(ScaffoldError, match="no such column"):
        plan("list.csv", "id,first_name\n1,Anna\n", key="nr")


def test_a_role_that_no_column_speaks_for(plan: Planned) -> None:
    with pytest.raises(ScaffoldError, match="consent_events: no column looks like it"):
        plan("list.csv", "id,first_name\n1,Anna\n", feeds=["consent_events"])


def test_placeholders_are_left_out(plan: Planned) -> None:
    rows = "".join(f"{i},Anna,{'00000' if i % 2 else f'1011{i % 9}'}\n" for i in range(60))
    found = plan("list.csv", f"id,first_name,zip\n{rows}")

    assert found.losses.placeholders == {"postcode": ("00000",)}


def test_raw_names() -> None:
    names = raw_names(["E-Mail", "e mail", "2nd", "Straße", "order", "load_date", "住所"], frozenset({"order"}))

    assert names == ["e_mail", "e_mail_2", "column_2nd", "strasse", "order_", "load_date_", "zhusuo"]


def test_table_names() -> None:
    assert table_name("customers_2026-01-05", "shop") == "customers"
    assert table_name("shop_orders", "shop") == "orders"
    assert table_name("2026", "shop") == "table_2026"

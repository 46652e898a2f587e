"""What counts as a leftover of a person: their values as whole words, and no part of somebody else's."""

import json
from pathlib import Path

import duckdb
import pytest

from orchestration.privacy.namesakes import Namesakes, find_namesakes
from orchestration.privacy.scan import readable, scan
from orchestration.privacy.traces import Traces

FILLER = " lorem, ipsum; dolor" * 3000


@pytest.mark.parametrize("filler", ["", FILLER], ids=["small", "large"])
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("call Annaberg back", True),
        ("Annaberg", True),
        ("name=Annaberg;", True),
        ("Annabergs", False),
        ("Johannaberg", False),
        ("JoAnnaberg", False),
        ("Éannaberg", False),
        ("7Annaberg", False),
        ("Annaberg-Schmidt", True),
    ],
)
def test_a_value_is_found_as_a_whole_word(text: str, found: bool, filler: str) -> None:
    traces = Traces(frozenset({"Annaberg"}))
    assert bool(traces.found_in(f"{filler} {text} {filler}".encode())) is found


@pytest.mark.parametrize("filler", ["", FILLER], ids=["small", "large"])
def test_a_value_is_found_as_it_stands_in_json_behind_an_escaped_line(filler: str) -> None:
    value = 'Hi "Ann" Käthe\n<b>'
    traces = Traces(frozenset({value, "Annaberg"}))
    document = json.dumps({"filler": filler, "said": value, "twice": json.dumps(["\nAnnaberg\tis"])})
    assert traces.values_of(traces.found_in(document.encode())) == {value, "Annaberg"}


def test_redacting_leaves_longer_words_and_takes_the_longest_value() -> None:
    traces = Traces(frozenset({"Anna Berg", "Anna Berg-Schmidt", "annaberg@example.org"}))
    text = "Anna Berg-Schmidt, Anna Berg; Johanna Bergmann, Anna Bergmann annaberg@example.org."
    blanked, places = traces.redact(text.encode())
    assert blanked.decode() == "[erased], [erased]; Johanna Bergmann, Anna Bergmann [erased]."
    assert places == 3


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    """Where the erased person's rows are gone, and other people's have longer values."""
    path = tmp_path / "data" / "kindred.duckdb"
    path.parent.mkdir()
    with duckdb.connect(str(path)) as con:
        con.execute("create schema raw")
        con.execute("create table raw.crm__contacts (name varchar, street varchar, email varchar, note json)")
        con.execute(
            "insert into raw.crm__contacts values "
            "('Anna Berg-Schmidt', 'Annaberg 12a', 'jo.annaberg@example.org', '{\"said\": \"for Annette Bergwald\"}')"
        )
    return path


ERASED = Traces(frozenset({"Anna Berg", "Annaberg 12", "annaberg@example.org", "Annette Berg"}))


def _searched(warehouse: Path, text: str) -> list[str]:
    (warehouse.parent / "landed.csv").write_text(text)
    with duckdb.connect(str(warehouse), read_only=True) as con:
        found = scan(warehouse.parent, ERASED, namesakes=lambda values: find_namesakes(con, values))
    return [finding.where for finding in found.findings]


def test_a_longer_value_of_somebody_else_does_not_block(warehouse: Path) -> None:
    row = "Anna Berg-Schmidt,Annaberg 12a,jo.annaberg@example.org"
    assert ERASED.found_in(row.encode()), "as words alone they would be found"
    assert _searched(warehouse, f"name,street,email\n{row}\n") == []


@pytest.mark.parametrize(
    "left",
    ["Anna Berg", "call Anna Berg, back", "annaberg@example.org", "Annaberg 12", "Anna Berg-Schultz"],
)
def test_the_value_itself_beside_it_does(warehouse: Path, left: str) -> None:
    row = "Anna Berg-Schmidt,Annaberg 12a,jo.annaberg@example.org"
    assert _searched(warehouse, f"{row}\n{left}\n") == ["landed.csv"]


def test_an_address_amid_the_words_of_somebody_else_is_a_leftover(warehouse: Path) -> None:
    with duckdb.connect(str(warehouse)) as con:
        con.execute("insert into raw.crm__contacts values ('write to annaberg@example.org please', null, null, null)")
    assert _searched(warehouse, "write to annaberg@example.org please") == ["kindred.duckdb", "landed.csv"]


def test_the_bytes_of_a_database_are_searched_beside_its_tables(warehouse: Path) -> None:
    with duckdb.connect(str(warehouse)) as con:
        con.execute("pragma force_compression = 'uncompressed'")
        con.execute("create table raw.gone as select 'annaberg@example.org' || i as name from range(3000) as t (i)")
        con.execute("checkpoint")
        # Behind it in the file, which would else be cut off behind the last block in use.
        con.execute("create table raw.kept as select hash(i) as number from range(100000) as t (i)")
        con.execute("checkpoint")
        con.execute("drop table raw.gone")
    assert warehouse.read_bytes().count(b"annaberg@example.org") > 1000, "a deleted table leaves its blocks behind"
    assert _searched(warehouse, "nothing") == ["kindred.duckdb"]


def test_what_a_run_noted_is_searched_for_words(warehouse: Path) -> None:
    with duckdb.connect(str(warehouse)) as con:
        con.execute("create schema quality")
        con.execute("create table quality.check_results as select 'did not expect Anna Berg here' as message")
    assert _searched(warehouse, "nothing") == ["kindred.duckdb quality.check_results"]


def test_nobody_has_namesakes_without_values() -> None:
    with duckdb.connect() as con:
        assert find_namesakes(con, []) == Namesakes()


@pytest.mark.parametrize("cell", ["Annette Berg", "with Annette Berg in it", "Annette Berg é", None])
def test_every_cell_of_a_parquet_file_is_searched(warehouse: Path, cell: str | None) -> None:
    path = warehouse.parent / "landed.parquet"
    with duckdb.connect() as con:
        con.execute(
            "create table rows as select i, 'Käthe ' || i as name, {'of': 'x' || i} as nested from range(250000) as t (i)"
        )
        con.execute("update rows set name = ? where i = 170000", [cell])
        con.execute(f"copy rows to '{path}' (format parquet, compression zstd)")
    content = b"".join(part.content for part in readable(path))
    assert content.count(b"\n") == (499_999 if cell is None else 500_000)
    assert content.count(b"K\xc3\xa4the ") == 249_999 and content.count(b"x249999") == 1
    assert _searched(warehouse, "nothing") == ([] if cell is None else ["landed.parquet"])

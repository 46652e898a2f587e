"""What two neighbouring cells spell together is no leftover; a cell that is there is one."""

from pathlib import Path

import duckdb
import pytest

from orchestration.privacy.adjacent_cells import across_cells
from orchestration.privacy.namesakes import Namesakes

VALUE = b"Piazza Cavour 45"


def _file(path: Path, *streets: str) -> Path:
    with duckdb.connect(str(path)) as con:
        con.execute("pragma force_compression = 'uncompressed'")
        con.execute("create table people as select unnest(?::varchar[]) as street", [list(streets)])
        con.execute("checkpoint")
    return path


def _neighbours(folder: Path, *rest: str) -> Path:
    """A file in which the value stands across two cells, in whichever order DuckDB lays them down."""
    pair = ("Piazza Cavour 4", "58 Church Street")
    files = [_file(folder / f"{number}.duckdb", *order, *rest) for number, order in enumerate((pair, pair[::-1]))]
    found = [path for path in files if b"Piazza Cavour 458 Church Street" in path.read_bytes()]
    assert found, "DuckDB no longer writes the cells of a column one behind the other"
    return found[0]


def test_two_neighbours_explain_what_they_spell_together(tmp_path: Path) -> None:
    assert across_cells(_neighbours(tmp_path), {VALUE}, Namesakes()) == {VALUE}


@pytest.mark.parametrize("left", ["Piazza Cavour 45", "Palazzo B, Piazza Cavour 45", "Piazza Cavour 45 bis"])
def test_a_cell_with_the_value_is_not_explained(tmp_path: Path, left: str) -> None:
    assert across_cells(_neighbours(tmp_path, left, "9 Mill Lane"), {VALUE}, Namesakes()) == set()


def test_a_longer_value_of_somebody_else_is_no_place_to_explain(tmp_path: Path) -> None:
    longer = Namesakes({VALUE: frozenset({(0, b"Piazza Cavour 45 bis")})})
    path = _neighbours(tmp_path, "Piazza Cavour 45 bis", "9 Mill Lane")
    assert across_cells(path, {VALUE}, longer) == {VALUE}


@pytest.mark.parametrize("behind", [b"", b"9 Mill Lane", b"\0\0\0", b"Piazza Cavour 4"])
def test_bytes_that_belong_to_no_cell_are_not_explained(tmp_path: Path, behind: bytes) -> None:
    path = _neighbours(tmp_path, "9 Mill Lane")
    with path.open("ab") as file:
        file.write(b"58 Church Street" + VALUE + behind)
    assert across_cells(path, {VALUE}, Namesakes()) == set()


def test_values_in_too_many_places_are_left_to_the_officer(tmp_path: Path) -> None:
    path = _file(tmp_path / "many.duckdb", *["Piazza Cavour 4", "58 Church Street"] * 60)
    assert path.read_bytes().count(VALUE) > 40
    assert across_cells(path, {VALUE}, Namesakes()) == set()

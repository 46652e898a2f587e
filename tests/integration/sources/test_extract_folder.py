"""Files of a folder outside landing, compressed and in CSV dialects, through landing into raw."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from orchestration.sources.read import UnreadableFileError
from tests.integration.sources.asked import DAYS, Asked, column, table

FIFTH = DAYS[0]
PEOPLE = [column("id", "integer", primaryKey=True), column("name")]


@pytest.fixture
def source(tmp_path: Path) -> Callable[..., Asked]:
    (tmp_path / "exports" / str(FIFTH)).mkdir(parents=True)

    def make(format: str = "csv", glob: str = "people*", delimiter: str = ",", **custom: Any) -> Asked:
        server = {
            "type": "local", "path": f"{tmp_path}/exports/{{date}}", "format": format, "delimiter": delimiter,
            "customProperties": custom,
        }  # fmt: skip
        return Asked(tmp_path, server, [table(physical=glob, columns=PEOPLE)])

    return make


def raw(people: Asked) -> list[tuple]:
    con = duckdb.connect()
    people.load(con, FIFTH)
    found = con.execute("select id, name, _row from raw.vendor__people order by _file, _row").fetchall()
    held = con.execute("select row_number, value from quarantine.vendor__people order by row_number").fetchall()
    return found + held


def deliver(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / "exports" / str(FIFTH) / name).write_bytes(content)


def test_a_folder_is_copied_and_stays_as_it_is(tmp_path: Path, source: Callable[..., Asked]) -> None:
    deliver(tmp_path, "people.csv", b"id,name\n1,a\n")
    people = source()
    assert people.land(FIFTH).files == ("people.csv",)
    assert raw(people) == [(1, "a", 2)]
    assert (tmp_path / "exports" / str(FIFTH) / "people.csv").read_bytes() == b"id,name\n1,a\n"


def test_a_folder_that_is_not_there_yet_lands_nothing(source: Callable[..., Asked]) -> None:
    people = source()
    landed = people.land(DAYS[1])
    assert (landed.extracted, landed.note) == (False, "nothing is there for this day yet")
    assert not people.folder(DAYS[1]).exists()


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("people.csv.gz", gzip.compress),
        ("people.csv.zst", lambda content: pa.compress(content, codec="zstd", asbytes=True)),
    ],
)
def test_rows_of_compressed_files_keep_their_place_and_a_cut_file_is_told(
    tmp_path: Path, source: Callable[..., Asked], name: str, pack: Callable[[bytes], bytes]
) -> None:
    content = b"id,name\n" + b"".join(b"%d,name of %d\n" % (n, n * n) for n in range(1, 500)) + b"bad,line,here\n"
    deliver(tmp_path, name, pack(content))
    people = source(glob="people.csv")
    people.land(FIFTH)
    rows = raw(people)
    assert rows[0] == (1, "name of 1", 2)
    assert rows[-1] == (501, "bad,line,here")
    path = people.folder(FIFTH) / name
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UnreadableFileError, match=f"{name} cannot be unpacked, it is cut off"):
        raw(people)


def test_compressed_json_lines_are_read(tmp_path: Path, source: Callable[..., Asked]) -> None:
    deliver(tmp_path, "people.jsonl.zst", pa.compress(b'{"id": 1, "name": "a"}\n', codec="zstd", asbytes=True))
    people = source("jsonl", "people.jsonl")
    people.land(FIFTH)
    assert raw(people) == [(1, "a", 1)]


def test_the_dialect_of_a_csv_is_honoured(tmp_path: Path, source: Callable[..., Asked]) -> None:
    deliver(tmp_path, "people.txt", b"1|'it\\'s | Ann'\n2|NULL\nx|y|z\n4|d\nfive|e\n")
    people = source(delimiter="|", quote="'", escape="\\", header=False, nullValues=["NULL", "-"])
    people.land(FIFTH)
    assert raw(people) == [(1, "it's | Ann", 1), (2, None, 2), (4, "d", 4), (3, "x|y|z"), (5, "five")]


def test_tabs_part_columns(tmp_path: Path, source: Callable[..., Asked]) -> None:
    deliver(tmp_path, "people.tsv", b"id\tname\n1\ta, b\n")
    people = source(delimiter="\t")
    people.land(FIFTH)
    assert raw(people) == [(1, "a, b", 2)]

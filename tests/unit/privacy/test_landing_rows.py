"""Rows leave a landed file, and every other byte stays."""

import gzip
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestration.config import PROJECT_ROOT
from orchestration.privacy.landing_rows import written_beside
from orchestration.sources.contract import load_contract
from orchestration.sources.servers import FileServer

CSV = [
    'id;name\r\n', '1;"a\r\nb ""q"" ; x"\r\n', '2;5 " disk\r\n', '3;"open\r\n', '4;é\r\n', '\r\n', '5;"x;y"\r\n', '6;last',
]  # fmt: skip
# The record that begins in line 3 of the list is broken: its quote is never closed.
BROKEN = 4


@pytest.fixture(scope="module")
def server() -> FileServer:
    found = load_contract(PROJECT_ROOT / "data" / "contracts" / "crm.odcs.yaml").server
    return replace(found, delimiter=";")


def _records() -> list[str]:
    """The text by records: number 1 is the header, blank lines have none."""
    return [line for line in CSV if line.strip()]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("number", range(2, 8))
def test_one_record_goes(tmp_path: Path, server: FileServer, encoding: str, number: int) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes("".join(CSV).encode(encoding))
    gone = _records()[number - 1]
    beside = written_beside(path, replace(server, encoding=encoding), {number}, {BROKEN})
    expected = "".join(line for line in CSV if line != gone)
    assert beside.read_bytes().decode(encoding) == expected
    assert path.read_bytes().decode(encoding) == "".join(CSV), "the file itself is the caller's to swap"


def test_a_backslash_may_escape_a_quote(tmp_path: Path, server: FileServer) -> None:
    path = tmp_path / "people.csv"
    path.write_text('id;name\n1;"a\\"\nb"\n2;c\n')
    beside = written_beside(path, replace(server, escape="\\"), {3})
    assert beside.read_text() == 'id;name\n1;"a\\"\nb"\n'


@pytest.mark.parametrize("kind", ["", ".gz", ".zst"])
def test_lines_of_json_keep_their_bytes(tmp_path: Path, server: FileServer, kind: str) -> None:
    content = b'{"a": 1}\n\n{"a":  2}\r\n{"a": "\xc3\xa9"}\n'
    path = tmp_path / f"people.jsonl{kind}"
    _pack(path, content)
    beside = written_beside(path, replace(server, format="jsonl"), {3})
    assert _unpacked(beside, kind) == b'{"a": 1}\n\n{"a": "\xc3\xa9"}\n'


def test_a_file_is_never_left_empty(tmp_path: Path, server: FileServer) -> None:
    path = tmp_path / "people.jsonl"
    path.write_bytes(b'{"a": 1}\n')
    assert written_beside(path, replace(server, format="jsonl"), {1}).read_bytes() == b"\n"


def test_parquet_keeps_its_schema_and_loses_the_dictionary_entry(tmp_path: Path, server: FileServer) -> None:
    path = tmp_path / "people.parquet"
    names = pa.array(["kept one", "zqvanished", "kept two", "kept one"]).dictionary_encode()
    table = pa.table({"id": pa.array([1, 2, 3, 4], pa.int32()), "name": names}).replace_schema_metadata(
        {"by": "a test"}
    )
    pq.write_table(table, path, compression="zstd", row_group_size=3)
    beside = written_beside(path, replace(server, format="parquet"), {2})
    left = pq.read_table(beside)
    assert left.column("id").to_pylist() == [1, 3, 4]
    assert left.schema.equals(table.schema, check_metadata=True)
    assert pq.ParquetFile(beside).metadata.row_group(0).column(0).compression == "ZSTD"
    assert "zqvanished" not in str([chunk.dictionary.to_pylist() for chunk in left.column("name").chunks])


def _pack(path: Path, content: bytes) -> None:
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(content))
    elif path.suffix == ".zst":
        with pa.output_stream(str(path), compression="zstd") as stream:
            stream.write(content)
    else:
        path.write_bytes(content)


def _unpacked(path: Path, kind: str) -> bytes:
    if kind == ".gz":
        return gzip.decompress(path.read_bytes())
    if kind == ".zst":
        with pa.input_stream(str(path), compression="zstd") as stream:
            return bytes(stream.read())
    return path.read_bytes()

"""Landed files under a key: every reader gives the same rows, every writer leaves nothing in clear, moving is safe."""

import gzip
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from orchestration.config import PROJECT_ROOT, Settings
from orchestration.encrypted_files import DamagedFileError, WrongKeyError, is_encrypted
from orchestration.privacy.landing_rows import written_beside
from orchestration.privacy.scan import readable
from orchestration.project import Project, convert_landing
from orchestration.sources import landed
from orchestration.sources.contract import Contract, load_contract
from orchestration.sources.errors import UnreadableFileError
from orchestration.sources.extract.progress import Progress
from orchestration.sources.extract.state import DayState, read_state
from orchestration.sources.load import LANDED, MALFORMED, landed_day

KEY = "a key of the tests, of more than thirty-two characters"
NAMES = ("id", "name", "email")
ROWS = [(str(i), f"Name {i} of Ørsted", f"person{i}@canary.example") for i in range(300)]


@pytest.fixture
def landing(tmp_path: Path) -> Iterator[Path]:
    """A landing folder whose files are encrypted when Kindred writes them."""
    folder = tmp_path / "landing"
    (folder / "crm" / "2026-01-05").mkdir(parents=True)
    landed.use_key(folder, lambda: KEY, encrypts=True)
    yield folder
    landed.forget_key(folder)


def contract(folder: Path, form: str = "csv", encoding: str | None = None) -> Contract:
    """A contract of three text columns."""
    text = yaml.safe_load((PROJECT_ROOT / "data" / "contracts" / "crm.odcs.yaml").read_text())
    server = text["servers"][0]
    server["format"] = form
    server["customProperties"] = []
    server.pop("encoding", None)
    server |= {"encoding": encoding} if encoding else {}
    table = text["schema"][0]
    table["physicalName"] = "people.*"
    table["properties"] = [
        {
            "name": name,
            "logicalType": "string",
            "classification": "internal",
            **({"primaryKey": True} if name == "id" else {}),
        }
        for name in NAMES
    ]
    table["customProperties"] = []
    table.pop("quality", None)
    path = folder / "crm.odcs.yaml"
    path.write_text(yaml.safe_dump(text))
    return load_contract(path)


def rows(con: duckdb.DuckDBPyConnection, found: Contract, landing: Path, path: Path) -> tuple[list[Any], list[Any]]:
    """The rows and the broken lines of a file, with their places."""
    with landed_day(con, found, found.tables[0], landing, [path]):
        return (
            con.execute(f"select * from {LANDED} order by _row").fetchall(),
            con.execute(f"from {MALFORMED} order by all").fetchall(),
        )


def _csv(encoding: str = "utf-8", mark: bytes = b"") -> bytes:
    lines = [
        ",".join(NAMES),
        *(f'{i},"{name}",{email}' if int(i) < 30 else f"{i},{name},{email}" for i, name, email in ROWS),
    ]
    lines[40] = "too,few"
    lines[150] = '7,"never closed,x@canary.example'
    return mark + ("\r\n".join(lines) + "\r\n").encode(encoding)


def _jsonl() -> bytes:
    lines = [f'{{"id": "{i}", "name": "{name}", "email": "{email}"}}' for i, name, email in ROWS]
    lines[40] = '{"id": "7", "name'
    return ("\n".join(lines) + "\n").encode()


def _parquet(folder: Path) -> bytes:
    path = folder / "made.parquet"
    columns = zip(*ROWS, strict=True)
    pq.write_table(pa.table(dict(zip(NAMES, map(list, columns), strict=True))), path, row_group_size=50)
    return path.read_bytes()


def _packed(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


FILES = {
    "people.csv": ("csv", {}, lambda _: _csv()),
    "people.csv.gz": ("csv", {}, lambda _: gzip.compress(_csv())),
    "people.csv.zst": ("csv", {}, lambda _: _packed(_csv())),
    "people.marked.csv": ("csv", {}, lambda _: _csv(mark=b"\xef\xbb\xbf")),
    "people.latin.csv": ("csv", {"encoding": "latin-1"}, lambda _: _csv("latin-1")),
    "people.jsonl": ("jsonl", {}, lambda _: _jsonl()),
    "people.jsonl.gz": ("jsonl", {}, lambda _: gzip.compress(_jsonl())),
    "people.parquet": ("parquet", {}, _parquet),
}


@pytest.mark.parametrize("name", FILES)
def test_every_reader_gives_the_rows_and_the_places_of_the_plain_file(landing: Path, tmp_path: Path, name: str) -> None:
    form, options, make = FILES[name]
    found, path = contract(tmp_path, form, **options), landing / "crm" / "2026-01-05" / name
    path.write_bytes(make(tmp_path))
    fingerprint = landed.content_hash(path)
    with duckdb.connect() as con:
        plain = rows(con, found, landing, path)
        assert landed.encrypt_file(path)
        assert rows(con, found, landing, path) == plain
    assert len(plain[0]) > 250
    assert landed.content_hash(path) == fingerprint
    assert b"canary" not in path.read_bytes()


@pytest.mark.parametrize("name", [name for name in FILES if name != "people.parquet"])
def test_copies_made_for_reading_are_encrypted_too(
    landing: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    form, options, make = FILES[name]
    found, path = contract(tmp_path, form, **options), landing / "crm" / "2026-01-05" / name
    path.write_bytes(make(tmp_path))
    landed.encrypt_file(path)
    seen: dict[Path, bytes] = {}

    forget = landed.forget_key

    def look(folder: Path) -> None:
        seen.update({copy: copy.read_bytes() for copy in folder.iterdir()})
        forget(folder)

    monkeypatch.setattr(landed, "forget_key", look)
    with duckdb.connect() as con:
        rows(con, found, landing, path)
    monkeypatch.undo()
    assert len(seen) == {"people.jsonl": 0, "people.csv": 1, "people.jsonl.gz": 1}.get(name, 2)
    assert all(b"canary" not in content and content for content in seen.values())
    assert not any(copy.exists() for copy in seen)


def test_several_threads_read_one_file_at_once(landing: Path) -> None:
    with duckdb.connect() as con:
        con.execute("set threads = 4")
        path = landing / "crm" / "many.parquet"
        con.execute(
            f"copy (select i, hash(i)::varchar as text from range(400000) as r(i)) to '{path}' "
            "(format parquet, row_group_size 10000)"
        )
        query = "select count(*), sum(i), sum(hash(text))::varchar, bit_xor(hash(i, text)) from read_parquet(?)"
        plain = con.execute(query, [str(path)]).fetchall()
        landed.encrypt_file(path)
        for _ in range(3):
            with landed.given_to_duckdb(con, path) as name:
                assert con.execute(query, [name]).fetchall() == plain


def test_what_does_not_fit_into_memory_is_spilled_encrypted(landing: Path, tmp_path: Path) -> None:
    path, spill = landing / "crm" / "many.csv", tmp_path / "spill"
    path.write_bytes(b"".join(b"anna%d@canary.example\n" % i for i in range(400_000)))
    landed.encrypt_file(path)
    with duckdb.connect(config={"temp_directory": str(spill)}) as con, landed.given_to_duckdb(con, path) as name:
        con.execute("set memory_limit = '24MB'; set threads = 1; set preserve_insertion_order = false")
        con.execute(
            f"create temp table people as select * from read_csv('{name}', header = false, all_varchar = true, "
            "buffer_size = 1000000, max_line_size = 1000)"
        )
        con.execute("create temp table more as select column0 || sha256(column0) as column0 from people")
        files = [item for item in spill.rglob("*") if item.is_file()]
        assert files
        assert not [item for item in files if b"@canary.example" in item.read_bytes()]


def test_a_damaged_middle_is_said_by_every_reader(landing: Path, tmp_path: Path) -> None:
    for name in ("people.csv", "people.jsonl", "people.parquet"):
        form, options, _ = FILES[name]
        found, path = contract(tmp_path, form, **options), landing / "crm" / "2026-01-05" / name
        con = duckdb.connect()
        if form == "parquet":
            con.execute(
                f"copy (select i::varchar as id, hash(i)::varchar as name, hash(-i)::varchar as email from range(50000) r(i)) to '{path}'"
            )
        else:
            path.write_bytes(
                (b'{"id": "1", "name": "x", "email": "y"}\n' if form == "jsonl" else b"id,name,email\n1,2,3\n") * 20_000
            )
        landed.encrypt_file(path)
        content = bytearray(path.read_bytes())
        content[len(content) // 3] ^= 1
        path.write_bytes(content)
        with pytest.raises(UnreadableFileError, match=rf"{name} is encrypted and not as it was written.*backup"):
            rows(con, found, landing, path)
        con.close()


def test_no_key_and_another_key_are_said(landing: Path, tmp_path: Path) -> None:
    found, path = contract(tmp_path), landing / "crm" / "2026-01-05" / "people.csv"
    path.write_bytes(_csv())
    landed.encrypt_file(path)
    with duckdb.connect() as con:
        landed.use_key(landing, lambda: KEY[::-1], encrypts=False)
        with pytest.raises(UnreadableFileError, match="encrypted with another key"):
            rows(con, found, landing, path)
        landed.forget_key(landing)
        with pytest.raises(UnreadableFileError, match="decrypt it there with `kindred landing decrypt`"):
            rows(con, found, landing, path)
    project = Project(Settings(data=tmp_path))
    with pytest.raises(landed.LandingKeyError, match=r"people\.csv needs the key.*Set KINDRED_ENCRYPTION_KEY"):
        landed.read_bytes(path)
    landed.forget_key(project.settings.landing)


@pytest.mark.parametrize("failing", ["replace", "fsync"])
def test_an_interrupted_conversion_leaves_a_whole_file_and_nothing_that_counts_as_another(
    landing: Path, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = landing / "crm" / "2026-01-05" / "people.csv"
    path.write_bytes(_csv())

    def broken(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    for convert, encrypted in ((landed.encrypt_file, False), (landed.decrypt_file, True)):
        if encrypted:
            landed.encrypt_file(path)
        with monkeypatch.context() as patched:
            patched.setattr(*((Path, "replace", broken) if failing == "replace" else (os, "fsync", broken)))
            with pytest.raises(OSError, match="No space"):
                convert(path)
        assert is_encrypted(path) is encrypted
        assert landed.read_bytes(path) == _csv()
        assert [item.name for item in path.parent.iterdir()] == ["people.csv"]
    killed = path.with_name(f"{landed.CONVERTING}people.csv")
    killed.write_bytes(b"half")
    assert landed.convert(landing, encrypted=False).files == 1
    assert not killed.exists()
    assert path.read_bytes() == _csv()


def test_a_file_that_somebody_is_writing_is_left_to_them(landing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = landing / "crm" / "2026-01-05" / "people.csv"
    path.write_bytes(_csv())
    flush = landed._flush

    def meanwhile(beside: Path) -> None:
        flush(beside)
        with path.open("ab") as file:
            file.write(b"another\n")

    monkeypatch.setattr(landed, "_flush", meanwhile)
    with pytest.raises(landed.ChangedMeanwhileError, match=r"people\.csv was written to"):
        landed.encrypt_file(path)
    assert landed.convert(landing, encrypted=True).left == (path,)
    assert path.read_bytes() == _csv() + b"another\nanother\n"


def test_moving_a_folder_keeps_contents_names_and_times_and_links(landing: Path) -> None:
    day = landing / "crm" / "2026-01-05"
    (day / "people.csv").write_bytes(_csv())
    (day / "_SUCCESS").touch()
    (day / "empty.csv").touch()
    (day / "link.csv").symlink_to(day / "people.csv")
    os.utime(day / "people.csv", ns=(10**18, 10**18))
    assert landed.forms(landing) == landed.Forms(0, 1)
    moved = landed.convert(landing, encrypted=True)
    assert (moved.files, moved.left) == (1, (day / "link.csv",))
    assert landed.forms(landing) == landed.Forms(1, 0)
    assert (day / "people.csv").stat().st_mtime_ns == 10**18
    assert (day / "people.csv").stat().st_mode & 0o777 == 0o600
    assert landed.convert(landing, encrypted=True).files == 0
    assert landed.convert(landing, encrypted=False).files == 1
    assert (day / "people.csv").read_bytes() == _csv()
    assert sorted(path.name for path in day.iterdir()) == ["_SUCCESS", "empty.csv", "link.csv", "people.csv"]


def test_the_command_needs_a_key_of_ones_own(tmp_path: Path) -> None:
    from orchestration.privacy.encryption import EncryptionKeyError

    project = Project(Settings(data=tmp_path))
    with pytest.raises(EncryptionKeyError, match="no key is set"):
        convert_landing(project, encrypted=True)


@pytest.mark.parametrize("name", ["people.csv", "people.csv.gz", "people.csv.zst", "people.parquet"])
def test_rows_leave_an_encrypted_file_and_it_stays_encrypted(landing: Path, tmp_path: Path, name: str) -> None:
    form, options, make = FILES[name]
    found, path = contract(tmp_path, form, **options), landing / "crm" / "2026-01-05" / name
    path.write_bytes(make(tmp_path))
    expected = written_beside(_plain_twin(path, tmp_path), found.server, {3}).read_bytes()
    landed.encrypt_file(path)
    landed.use_key(landing, lambda: KEY, encrypts=False)
    beside = written_beside(path, found.server, {3})
    assert is_encrypted(beside)
    assert landed.read_bytes(beside) == expected


def _plain_twin(path: Path, folder: Path) -> Path:
    twin = folder / path.name
    twin.write_bytes(path.read_bytes())
    return twin


@pytest.mark.parametrize("name", FILES)
def test_the_search_for_leftovers_sees_what_is_encrypted(landing: Path, tmp_path: Path, name: str) -> None:
    _, _, make = FILES[name]
    path = landing / "crm" / "2026-01-05" / name
    path.write_bytes(make(tmp_path))
    landed.encrypt_file(path)
    assert any(b"person200@canary.example" in part.content for part in readable(path))
    landed.use_key(landing, lambda: KEY[::-1], encrypts=False)
    with pytest.raises(WrongKeyError):
        list(readable(path))


def test_positions_and_progress_of_reading_are_encrypted(landing: Path) -> None:
    day = landing / "crm" / "2026-01-05"
    DayState(seen={"anna@canary.example.csv": "1"}, taken=frozenset()).write(day)
    progress = Progress.open(landing / "crm" / ".2026-01-06.partial", "key")
    progress.set("anna@canary.example", 1)
    files = [path for path in landing.rglob("*") if path.is_file()]
    assert len(files) == 2
    assert all(is_encrypted(path) and b"canary" not in path.read_bytes() for path in files)
    assert read_state(day).seen == {"anna@canary.example.csv": "1"}
    assert Progress.open(landing / "crm" / ".2026-01-06.partial", "key").get("anna@canary.example") == 1


def test_a_cut_off_file_is_refused_when_it_is_opened(landing: Path) -> None:
    path = landing / "crm" / "2026-01-05" / "people.csv"
    path.write_bytes(_csv() * 20)
    landed.encrypt_file(path)
    path.write_bytes(path.read_bytes()[:-70_000])
    with pytest.raises(DamagedFileError, match=r"people\.csv"):
        landed.open_landed(path)


@pytest.mark.parametrize("name", ["people.csv", "people.latin.csv", "people.jsonl", "people.parquet"])
def test_a_landed_file_is_profiled_as_in_clear(landing: Path, tmp_path: Path, name: str) -> None:
    from orchestration.scaffold.files import FILE_TABLE, open_file

    path = landing / "crm" / "2026-01-05" / name
    path.write_bytes(FILES[name][2](tmp_path))
    found = []
    for _ in range(2):
        with duckdb.connect() as con, landed.workplace(path) as workspace:
            opened = open_file(con, path, workspace)
            found.append((opened.fields, opened.encoding, con.execute(f"from {FILE_TABLE} order by all").fetchall()))
            copies = [copy.read_bytes() for copy in workspace.iterdir()]
        landed.encrypt_file(path)
    assert found[0] == found[1]
    assert all(b"canary" not in copy for copy in copies)

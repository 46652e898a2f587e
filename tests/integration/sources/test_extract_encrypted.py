"""Connectors where landing is encrypted: the same files as in clear, nothing in clear on the way, and attempts that go on."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from orchestration.encrypted_files import is_encrypted
from orchestration.sources import landed
from orchestration.sources.extract.errors import UnreachableError
from tests.integration.sources.asked import DAYS, Asked, table
from tests.integration.sources.servers_for_tests import Vendor

FIFTH = DAYS[0]
KEY = "a key of the tests, of more than thirty-two characters"
NAMES = [f"canary{n}" for n in range(9)]


def _api(folder: Path, vendor: Vendor) -> Asked:
    vendor.records = [{"id": n, "name": name, "updated_at": "2026-01-05T10:00:00Z"} for n, name in enumerate(NAMES)]
    server = {"paging": {"style": "page"}, "auth": {"scheme": "bearer", "variable": "VENDOR_TOKEN"}, "attempts": 1}
    described = table(physical="by_page", recordsPath="data.items", cursorColumn="updated_at")
    asked = Asked(folder, {"type": "api", "location": vendor.url, "customProperties": server}, [described])
    asked.environment["VENDOR_TOKEN"] = vendor.token
    return asked


def _database(folder: Path, _: Vendor) -> Asked:
    with sqlite3.connect(folder / "shop.sqlite") as con:
        con.execute("create table people (id integer primary key, name text, updated_at text)")
        rows = [(n, name, "2026-01-05 10:00:00") for n, name in enumerate(NAMES)]
        con.executemany("insert into people values (?, ?, ?)", rows)
    server = {"type": "custom", "path": "shop.sqlite", "customProperties": {"dialect": "sqlite"}}
    return Asked(folder, server, [table(cursorColumn="updated_at")])


def _folder(folder: Path, _: Vendor) -> Asked:
    exports = folder / "exports" / str(FIFTH)
    exports.mkdir(parents=True)
    lines = ["id,name,updated_at", *(f"{n},{name},2026-01-05T10:00:00Z" for n, name in enumerate(NAMES))]
    (exports / "people.csv").write_text("\n".join(lines))
    os.utime(exports / "people.csv", (0, 0))
    server = {"type": "local", "path": f"{folder}/exports/{{date}}", "format": "csv"}
    return Asked(folder, server, [table(physical="people*")])


@pytest.fixture
def places(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A folder whose landing is plain, and one whose is encrypted."""
    for name in ("plain", "encrypted"):
        (tmp_path / name).mkdir()
    landing = tmp_path / "encrypted" / "landing"
    landed.use_key(landing, lambda: KEY, encrypts=True)
    yield tmp_path / "plain", tmp_path / "encrypted"
    landed.forget_key(landing)


def _files(landing: Path) -> list[Path]:
    return sorted(path for path in landing.rglob("*") if path.is_file() and path.stat().st_size)


@pytest.mark.parametrize("make", [_api, _database, _folder])
def test_a_day_lands_encrypted_and_loads_as_in_clear(
    places: tuple[Path, Path], vendor: Vendor, make: Callable[[Path, Vendor], Asked]
) -> None:
    plain, encrypted = (make(folder, vendor) for folder in places)
    assert plain.land(FIFTH) == encrypted.land(FIFTH)
    contents = {path.name: landed.read_bytes(path) for path in _files(encrypted.landing)}
    assert contents == {path.name: path.read_bytes() for path in _files(plain.landing)}
    assert set(contents) > {"_state.json"}
    for path in _files(encrypted.landing):
        assert is_encrypted(path) and b"canary" not in path.read_bytes()
        assert path.stat().st_mode & 0o777 == 0o600
    query = "select id, name, _file, _row from raw.vendor__people order by all"
    found = []
    for people in (plain, encrypted):
        with duckdb.connect() as con:
            assert people.load(con, FIFTH).rows_loaded == len(NAMES)
            found.append(con.execute(query).fetchall())
    assert found[0] == found[1]
    assert encrypted.land(FIFTH, again=True).rows == plain.land(FIFTH, again=True).rows


def test_pages_of_an_attempt_that_broke_off_are_encrypted_and_used(places: tuple[Path, Path], vendor: Vendor) -> None:
    people = _api(places[1], vendor)
    vendor.answers = ["ok", "ok", "drop"]
    with pytest.raises(UnreachableError):
        people.land(FIFTH)
    left = _files(people.landing)
    assert len(left) == 3
    assert all(is_encrypted(path) and b"canary" not in path.read_bytes() for path in left)
    vendor.requests.clear()
    assert people.land(FIFTH).rows == len(NAMES)
    assert "page=3" in vendor.requests[0]

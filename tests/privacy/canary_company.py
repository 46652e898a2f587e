"""A sample company with people made of canary values: every text that a source can deliver of them is unique.

Belongs here: planting them in landed files, and looking for them in anything that was written. Does not belong here: what
erases them.
"""

import csv
import gzip
import hashlib
import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from orchestration.config import PROJECT_ROOT

KINDRED = Path(sys.executable).parent / "kindred"
SECRET = "a secret for tests, of more than thirty-two characters"
KEY = "a key for tests, of more than thirty-two characters"
FIRST = date(2026, 1, 5)
SIGN = "zqkanary"
PHONE_SIGN = "8881777"
# As unlike as people are: one customer each.
NAMES = (("Abigail", "Northcote"), ("Beatrix", "Okonkwo"), ("Chiara", "Petrescu"), ("Dagmar", "Quispe"))
BIRTHS = (date(1960, 3, 10), date(1971, 8, 21), date(1982, 11, 2), date(1993, 5, 28))
PEOPLE = len(NAMES)
NAMESAKE = 1
HOUSEMATE = "of-the-housemate"
DAYS = 2


@dataclass
class Planted:
    """What was planted, and under which ids."""

    values: set[str] = field(default_factory=set)
    records: dict[int, list[str]] = field(default_factory=dict)
    emails: dict[int, str] = field(default_factory=dict)
    rows: int = 0

    def new(self) -> str:
        """A value that stands nowhere else."""
        # Hashed, so that values of two people do not look like misspellings of each other.
        value = f"{SIGN}{hashlib.sha256(str(len(self.values)).encode()).hexdigest()[:12]}"
        self.values.add(value)
        return value

    def phone(self) -> str:
        """A telephone number that stands nowhere else."""
        value = f"+44{PHONE_SIGN}{len(self.values) % 1000:03d}"
        self.values.add(value)
        return value

    def keep(self, value: str) -> str:
        """A value that is used again."""
        self.values.add(value)
        return value


def plant(landing: Path, days: int = DAYS) -> Planted:
    """Append the canaries' rows to the landed files of the days, of all seven sources, with rows that fail and lines
    that nobody can read among them. The CRM's second day is then packed with gzip, the social networks' with Zstandard."""
    planted = Planted()
    for person in range(PEOPLE):
        planted.emails[person] = planted.keep(f"{NAMES[person][1].lower()}{SIGN}@webmail.example")
        planted.records[person] = [
            f"{source}:{SIGN}{prefix}{person}"
            for source, prefix in (
                ("crm", "C"), ("shop", "S"), ("loyalty", "L"), ("marketing", "M"), ("social", "P"), ("support", "R"),
                ("web", "u"),
            )
        ]  # fmt: skip
        planted.records[person][-1] = f"web:u-{SIGN}S{person}"
    for number in range(days):
        day = FIRST + timedelta(days=number)
        for person in range(PEOPLE):
            _plant_person(landing, day, person, planted)
        _plant_shared_browser(landing, day, planted)
    _pack(landing / "crm" / (FIRST + timedelta(days=1)).isoformat() / "contacts.csv", "gz")
    _pack(landing / "social" / (FIRST + timedelta(days=1)).isoformat() / "profiles.jsonl", "zst")
    return planted


def _plant_person(landing: Path, day: date, person: int, planted: Planted) -> None:
    given, family = (f"{name}{SIGN}" for name in NAMES[person])
    planted.values |= {given, family}
    email, born = planted.emails[person], BIRTHS[person]
    at = f"{day}T08:0{person}:00Z"
    base = {"birth": born.isoformat(), "at": at}
    crm = [
        f"{SIGN}C{person}", given, planted.new(), family, base["birth"], "F", email, planted.phone(), planted.new(),
        planted.new(), planted.new(), planted.new(), planted.new(), "GB", planted.new().upper(), planted.new(), at, at,
    ]  # fmt: skip
    _lines(landing / "crm" / str(day) / "contacts.csv", [_csv(crm)])
    # A second row of the same contact whose date is no date, and a line that breaks off, the last one within a quote.
    wrong = list(crm)
    wrong[4], wrong[8] = planted.new(), planted.new()
    quote = '"' if person == PEOPLE - 1 else ""
    broken = f"{SIGN}C{person},{quote}{planted.new()},{email},{planted.new()}"
    _lines(landing / "crm" / str(day) / "contacts.csv", [_csv(wrong), broken])
    if person == 0:
        # A line that names its person by another source's id alone. With more of them the gate would stop the day.
        _lines(landing / "crm" / str(day) / "contacts.csv", [f"{planted.new()},{planted.new()},{SIGN}L{person}"])
    dob = f"{born:%d/%m/%Y}"
    loyalty = [
        f"{SIGN}L{person}", given, family, dob, "F", email, planted.phone(), planted.new(), planted.new(), planted.new(),
        planted.new(), "United Kingdom", "Gold", "12", "09/01/2022",
    ]  # fmt: skip
    _lines(landing / "loyalty" / str(day) / "members.csv", [_csv(loyalty)])
    stamp = f"0{person + 1}.01.2026 0{person}:00:0{day.day % 10}"
    marketing = [
        f"{SIGN}M{person}", email, f"{given} {family}", planted.phone(), "GB", "marketing", "email", "granted", stamp,
        "consent", "web_form",
    ]  # fmt: skip
    _lines(landing / "marketing" / str(day) / "subscribers.csv", [";".join(marketing)])
    _json(
        landing / "social" / str(day) / "profiles.jsonl",
        {
            "profile_id": f"{SIGN}P{person}", "network": "facebook", "handle": planted.new(),
            "display_name": f"{given} {family}", "email": email,
            "location": {"city": planted.new(), "country": "GB"}, "followers": 3, "bio": f"{planted.new()} \"é\" {planted.new()}",
            "linked_at": at, "updated_at": at,
        },
    )  # fmt: skip
    for ticket in range(3):
        _json(
            landing / "support" / str(day) / "tickets.jsonl",
            {
                "ticket_id": planted.new(),
                "requester": {
                    "id": f"{SIGN}R{person}", "name": f"{given} {family}", "email": email, "phone": planted.phone(),
                },
                "created_at": at, "updated_at": at, "channel": "chat", "status": "solved", "subject": planted.new(),
                "body": f"Hello <b>{planted.new()}</b> & {planted.new()}", "tags": [planted.new()],
                "satisfaction": 99 if ticket == 2 else None,
            },
        )  # fmt: skip
    for event in range(12):
        # Half of them before the person has signed in, in the person's own browser.
        user = f"{SIGN}S{person}" if event % 2 else None
        _json(
            landing / "web" / str(day) / "events.jsonl",
            {
                "messageId": planted.new(), "type": "identify" if event == 1 else "track",
                "anonymousId": f"{SIGN}-anon-{person}", "userId": user, "timestamp": at, "event": planted.new(),
                "properties": {"note": planted.new(), "deep": {"er": [planted.new()]}},
                "traits": {"email": email, "firstName": given, "lastName": family, "phone": planted.phone()}
                if event == 1
                else {},
                "context": {
                    "device": {"id": planted.new(), "type": "desktop"},
                    "page": {"url": f"https://shop.example/{planted.new()}", "path": f"/{planted.new()}", "referrer": None},
                    "userAgent": planted.new(), "locale": "en-GB",
                },
            },
        )  # fmt: skip
    half = {"messageId": planted.new(), "anonymousId": planted.new(), "userId": f"{SIGN}S{person}"}
    _lines(landing / "web" / str(day) / "events.jsonl", [json.dumps(half)[:-2]])
    _rows(
        landing / "shop" / str(day) / "customers.parquet",
        {
            "customer_id": f"{SIGN}S{person}", "given_name": given, "surname": family, "email": email,
            "phone": planted.phone(), "street_address": planted.new(), "apartment": planted.new(), "town": planted.new(),
            "county": planted.new(), "zip": planted.new(), "country_code": "GB",
        },
    )  # fmt: skip
    for _ in range(2):
        _rows(
            landing / "shop" / str(day) / "orders.parquet",
            {"order_id": planted.new(), "customer_id": f"{SIGN}S{person}", "status": "shipped", "channel": "web"},
        )
    planted.values |= {f"{SIGN}-anon-{person}"} | {record.split(":")[1] for record in planted.records[person]}


def _plant_shared_browser(landing: Path, day: date, planted: Planted) -> None:
    """A browser in which somebody else signs in too, and what the first person did there unnamed after signing in."""
    other = pq.read_table(landing / "shop" / str(FIRST) / "customers.parquet").column("customer_id")[0].as_py()
    visits = [(6, HOUSEMATE, other), (9, None, f"{SIGN}S0")]
    for hour, housemate, user in visits:
        for minute in (0, 5, 10):
            said = [f"{housemate}-{day}-{minute}" if housemate else planted.new() for _ in range(4)]
            _json(
                landing / "web" / str(day) / "events.jsonl",
                {
                    "messageId": said[0], "type": "track", "anonymousId": "browser-of-a-household",
                    "userId": user if minute == 0 else None, "timestamp": f"{day}T{hour:02d}:{minute:02d}:00Z",
                    "event": said[1], "properties": {"note": said[2]}, "traits": {},
                    "context": {
                        "device": {"id": "device-of-a-household", "type": "desktop"},
                        "page": {"url": f"https://shop.example/{said[3]}", "path": "/", "referrer": None},
                        "userAgent": "Mozilla", "locale": "en-GB",
                    },
                },
            )  # fmt: skip


def _csv(cells: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()


def _lines(path: Path, lines: list[str]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in lines))


def _json(path: Path, item: dict[str, object]) -> None:
    _lines(path, [json.dumps(item)])


def _rows(path: Path, values: dict[str, str]) -> None:
    """Append a row like the first day's first one with other values."""
    table = pq.read_table(path)
    first = pq.read_table(path.parent.parent / str(FIRST) / path.name).slice(0, 1).to_pylist()[0]
    row = {name: values.get(name, cell) for name, cell in first.items()}
    pq.write_table(pa.concat_tables([table, pa.Table.from_pylist([row], schema=table.schema)]), path)


def _pack(path: Path, kind: str) -> None:
    content = path.read_bytes()
    packed = path.with_name(f"{path.name}.{kind}")
    if kind == "gz":
        packed.write_bytes(gzip.compress(content, mtime=0))
    else:
        with pa.output_stream(str(packed), compression="zstd") as stream:
            stream.write(content)
    path.unlink()


def places_with_canaries(folder: Path, key: str | None = None) -> dict[str, int]:
    """Where a canary still stands: every file's bytes, in UTF-8 and UTF-16, and what is packed or compressed in it.

    An implementation of its own, so that the product's search is not what proves the product.
    """
    found: dict[str, int] = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        count = sum(_signs(content) for content in _contents(path, key))
        if count:
            found[path.relative_to(folder).as_posix()] = count
    return found


def _signs(content: bytes) -> int:
    low = content.lower()
    return sum(
        low.count(sign.encode(encoding))
        for sign in (SIGN, PHONE_SIGN)
        for encoding in ("utf-8", "utf-16-le", "utf-16-be")
    )


def _contents(path: Path, key: str | None) -> Iterator[bytes]:
    raw = path.read_bytes()
    yield raw
    if path.suffix == ".gz":
        yield gzip.decompress(raw)
    elif path.suffix == ".zst":
        with pa.input_stream(str(path), compression="zstd") as stream:
            yield stream.read()
    elif path.suffix == ".parquet":
        yield json.dumps(pq.read_table(path).to_pylist(), default=str, ensure_ascii=False).encode()
    elif path.suffix == ".duckdb":
        yield from _tables(path, key)
    elif raw.startswith(b"SQLite format 3"):
        with sqlite3.connect(path) as con:
            for (table,) in con.execute("select name from sqlite_master where type = 'table'").fetchall():
                for row in con.execute(f'select * from "{table}"'):
                    for cell in row:
                        if isinstance(cell, bytes):
                            try:
                                yield zlib.decompress(cell)
                            except zlib.error:
                                yield cell


def _tables(path: Path, key: str | None) -> Iterator[bytes]:
    with duckdb.connect() as con:
        secret = f", encryption_key '{key}'" if key and path.name == "customers.duckdb" else ""
        con.execute(f"attach '{path}' as looked (read_only{secret})")
        for schema, table in con.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = 'looked'"
        ).fetchall():
            rows = con.execute(f'select held::varchar from looked."{schema}"."{table}" as held').fetchall()
            yield "\n".join(row for (row,) in rows if row).encode()


@dataclass(frozen=True)
class CanaryCompany:
    """A data folder with planted people, and the command line on it."""

    data: Path
    planted: Planted
    home: Path
    """Where it was made."""

    @property
    def environment(self) -> dict[str, str]:
        return {
            "KINDRED_DATA": str(self.data),
            "KINDRED_CONTRACTS": str(PROJECT_ROOT / "data" / "contracts"),
            "KINDRED_SECRET": SECRET,
            "KINDRED_ENCRYPTION_KEY": KEY,
            "COLUMNS": "200",
        }

    def kindred(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `kindred` as a user does."""
        return subprocess.run(
            [str(KINDRED), *arguments],
            env={**os.environ, **self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    def copy(self, target: Path) -> "CanaryCompany":
        """The same company in another folder, to be changed by one test."""
        shutil.copytree(self.data, target)
        return CanaryCompany(target, self.planted, target)

    def put_back(self) -> "CanaryCompany":
        """The company where it was made, as it was made, to be changed by the next tests: whoever changed it before has
        done. In another folder dbt would parse its project anew, which takes longer than an erasure."""
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.copytree(self.data, self.home)
        return CanaryCompany(self.home, self.planted, self.home)

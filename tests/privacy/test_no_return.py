"""Erased people who come back misspelt are held back; others, their relatives among them, are not."""

import random
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from noisy_people import noisy, sample_of

from orchestration.config import PROJECT_ROOT
from orchestration.ledger.store import Ledger
from orchestration.ledger.tombstones import lift_tombstones
from orchestration.privacy.closure import Closure, Person, load_closure
from orchestration.privacy.errors import LostKeyError
from orchestration.privacy.suppression import Gatekeeper, bury
from orchestration.sample import generate
from orchestration.sources.contract import Contract, Table, load_contracts
from orchestration.standardise import standardise_records

SECRET = b"a secret for tests, of more than thirty-two characters"
ERASED, PEOPLE, ARRIVALS = 300, 2000, 3
# Which attribute stands in which column of a source.
SHAPES = {
    "crm": {
        "contact_id": "id", "first_name": "given_name", "last_name": "family_name", "birth_date": "birth_date",
        "email": "email", "phone": "phone", "street": "street", "city": "city", "postal_code": "postcode",
        "country": "country",
    },
    "shop": {
        "customer_id": "id", "given_name": "given_name", "surname": "family_name", "birth_date": "birth_date",
        "email": "email", "phone": "phone", "street_address": "street", "town": "city", "zip": "postcode",
        "country_code": "country",
    },
}  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """Erased people, everybody else, and the gatekeeper between them."""

    con: duckdb.DuckDBPyConnection
    keeper: Gatekeeper
    contracts: tuple[Contract, ...]
    erased: list[dict[str, object]]
    others: list[dict[str, object]]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    from datetime import date

    folder = tmp_path_factory.mktemp("sample")
    generate(PEOPLE, 1, 11, folder / "landing", start=date(2026, 1, 5))
    people = pq.read_table(folder / "sample_truth" / "people.parquet").to_pylist()
    rng = random.Random(23)
    erased = sample_of(people, ERASED, rng)
    gone = {person["person_id"] for person in erased}
    con = duckdb.connect()
    con.execute("create schema cleansing")
    con.execute("create schema resolution")
    records = [
        {
            "record_id": f"crm:{person['person_id']}", "source": "crm", "source_record_id": person["person_id"],
            "given_name": person["given_name"], "middle_name": None, "family_name": person["family_name"],
            "birth_date": person["birth_date"], "gender": person["gender"], "email": person["email"],
            "phone": person["mobile"] or person["landline"], "street": person["street"], "unit": None,
            "city": person["city"], "region": None, "postcode": person["postcode"], "country": person["country"],
            "national_id": None, "updated_at": None, "load_date": None,
        }
        for person in erased
    ]  # fmt: skip
    con.register("records_arrow", pa.Table.from_pylist(records))
    con.execute(
        "create table integration_records as select * replace (national_id::varchar as national_id, middle_name::varchar as middle_name, unit::varchar as unit, region::varchar as region, updated_at::timestamp as updated_at, load_date::date as load_date) from records_arrow"
    )
    standardise_records(con, "integration_records", "cleansing.standardised_records")
    closure = Closure(
        tuple(Person(number, (), (str(record["record_id"]),), (), ()) for number, record in enumerate(records))
    )
    load_closure(con, closure)
    ledger = Ledger(f"sqlite:///{folder / 'ledger.sqlite'}")
    bury(con, ledger, closure, "erasure-test", SECRET)
    contracts = load_contracts(PROJECT_ROOT / "data" / "contracts")
    others = [person for person in people if person["person_id"] not in gone]
    return Scene(con, Gatekeeper(ledger, contracts, lambda: SECRET), contracts, erased, others)  # type: ignore[arg-type]


def _held(scene: Scene, source: str, rows: list[dict[str, str | None]]) -> int:
    """How many of the rows are held back when the source delivers them."""
    table = _table(scene, source)
    shape = SHAPES[source]
    columns = {
        column.name: pa.array([row.get(shape.get(column.name, "")) for row in rows], pa.string())
        for column in table.columns
    }
    columns |= {"_file": pa.array(["f"] * len(rows)), "_row": pa.array(range(len(rows)), pa.int64())}
    scene.con.register("landed_arrow", pa.table(columns))
    scene.con.execute("create or replace temp table landed_rows as from landed_arrow")
    scene.con.execute(
        "create or replace temp table malformed_lines (file varchar, row_number bigint, text varchar, reason varchar)"
    )
    return len(scene.keeper.find(scene.con, table, "landed_rows", "malformed_lines").get("f", ()))


def _table(scene: Scene, source: str) -> Table:
    return next(contract.tables[0] for contract in scene.contracts if contract.source == source)


def _arrivals(people: list[dict[str, object]], seed: int, times: int) -> list[dict[str, str | None]]:
    rng = random.Random(seed)
    return [{**noisy(person, rng), "id": f"new{n}-{time}"} for n, person in enumerate(people) for time in range(times)]


@pytest.mark.parametrize("source", sorted(SHAPES))
def test_noisy_returns_are_held_back(scene: Scene, source: str) -> None:
    rows = _arrivals(scene.erased, 31, ARRIVALS)
    share = _held(scene, source, rows) / len(rows)
    print(f"{source}: {share:.4f} of {len(rows)} noisy returns held back")
    assert share >= 0.95


@pytest.mark.parametrize("source", sorted(SHAPES))
def test_others_are_not_held_back(scene: Scene, source: str) -> None:
    rows = _arrivals(scene.others, 37, ARRIVALS)
    share = _held(scene, source, rows) / len(rows)
    print(f"{source}: {share:.5f} of {len(rows)} rows of others held back")
    assert share <= 0.001


def test_a_lost_key_stops_the_load(scene: Scene) -> None:
    keeper = Gatekeeper(scene.keeper.ledger, scene.contracts, lambda: b"another secret, just as long as the first one")
    with pytest.raises(LostKeyError, match="KINDRED_SECRET"):
        keeper.find(scene.con, _table(scene, "crm"), "landed_rows", "malformed_lines")


def test_the_ledger_holds_no_value(scene: Scene) -> None:
    path = Path(scene.keeper.ledger.url.removeprefix("sqlite:///"))
    content = (
        path.read_bytes() + path.with_name(path.name + "-wal").read_bytes()
        if path.with_name(path.name + "-wal").exists()
        else path.read_bytes()
    )
    for person in scene.erased:
        for name in ("email", "mobile", "street"):
            if person[name]:
                assert str(person[name]).encode() not in content


def test_lifted_people_may_come_in(scene: Scene) -> None:
    rows = _arrivals(scene.erased[:20], 41, 1)
    assert _held(scene, "crm", rows)
    assert lift_tombstones(scene.keeper.ledger, "erasure-test", "tester") == ERASED
    assert _held(scene, "crm", rows) == 0
    assert lift_tombstones(scene.keeper.ledger, "erasure-test", "tester") == 0

"""A small resolved warehouse with a real model, for tests of reviewing and explaining.

Belongs here: making it through the public functions of linkage and identity. Does not belong here: assertions.
"""

from datetime import date
from pathlib import Path

import duckdb

from orchestration.identity import accept_ids, assign_ids
from orchestration.identity.judgements import write_judgements
from orchestration.identity.review_queue import make_review_queue
from orchestration.ledger.judgements import Judgement
from orchestration.linkage import LinkageModel, cluster, score, train
from orchestration.standardise import RECORD_COLUMNS, standardise_records

RECORDS = "cleansing.standardised_records"
EDGES = "resolution.edges"
DAY = date(2026, 1, 5)

_GIVEN = ("Anna", "Boris", "Carla", "David", "Elena", "Felix", "Greta", "Hugo", "Irene", "Jonas")
_FAMILY = ("Abel", "Brandt", "Conrad", "Dietz", "Ebner", "Falk", "Gruber", "Huber")


def rows() -> list[dict[str, str]]:
    """Eighty people with two records each, and calls to support that say little of who called."""
    people = []
    for number in range(80):
        given, family = _GIVEN[number % 10], _FAMILY[number // 10]
        person = {
            "given_name": given, "family_name": family, "email": f"{given}.{family}{number}@mail.org".lower(),
            "birth_date": f"{1950 + number % 50}-{1 + number % 12:02d}-{1 + number % 28:02d}",
            "street": f"{number} High Street", "postcode": f"{10000 + number * 7}", "city": "Bonn",
        }  # fmt: skip
        people.append({**person, "record_id": f"crm:{number}", "source": "crm"})
        people.append({**person, "record_id": f"shop:{number}", "source": "shop", "street": "", "birth_date": ""})
    people.append({"record_id": "support:1", "source": "support", "given_name": "Anna", "family_name": "Abel"})
    people.append({"record_id": "support:2", "source": "support", "given_name": "<b>Zoë</b>", "family_name": "O'Hara"})
    for number, (given, family) in enumerate((("B", "Abel"), ("Carl", "Abel"), ("Elen", "Brandt"), ("F", "Conrad")), 3):
        people.append(
            {"record_id": f"support:{number}", "source": "support", "given_name": given, "family_name": family}
        )
    return people


def fill(con: duckdb.DuckDBPyConnection) -> None:
    """The standardised records."""
    con.execute("create schema cleansing; create schema resolution")
    columns = ", ".join(
        f"{name} {'timestamp' if name == 'updated_at' else 'date' if name == 'load_date' else 'varchar'}"
        for name in RECORD_COLUMNS
    )
    con.execute(f"create table raw ({columns})")
    for row in rows():
        names = [name for name, value in row.items() if value]
        con.execute(
            f"insert into raw ({', '.join(names)}) values ({', '.join('?' * len(names))})",
            [row[name] for name in names],
        )
    standardise_records(con, "raw", RECORDS)
    con.execute(f"create table first_days as select record_id, date '{DAY}' as first_load_date from {RECORDS}")


def resolve(
    con: duckdb.DuckDBPyConnection, model: LinkageModel, entries: tuple[Judgement, ...] = (), day: date = DAY
) -> None:
    """A run: judgements, clusters, ids, queue, accepted."""
    write_judgements(con, entries, RECORDS)
    cluster(con, model, RECORDS, EDGES, "resolution.clusters", judgements="resolution.judgements")
    assign_ids(
        con, "resolution.clusters", "first_days", day, model_version=model.version, edges=EDGES,
        judgements="resolution.judgements",
    )  # fmt: skip
    make_review_queue(con, EDGES, "resolution.memberships", "resolution.judgements")
    accept_ids(con, day, model.version)


def make(data: Path) -> LinkageModel:
    """A data folder with a resolved warehouse, its model in use."""
    warehouse = data / "warehouse" / "kindred.duckdb"
    warehouse.parent.mkdir(parents=True)
    with duckdb.connect(str(warehouse), config={"threads": 1}) as con:
        fill(con)
        model = train(con, RECORDS)
        score(con, model, RECORDS, EDGES)
        resolve(con, model)
    folder = data / "models" / "linkage"
    model.save(folder / model.version)
    (folder / "in_use").write_text(model.version + "\n")
    return model

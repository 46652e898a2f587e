"""A small population with known truth for the tests of linkage: no labels reach the engine."""

from __future__ import annotations

import random
from dataclasses import dataclass

import duckdb

from orchestration.standardise import RECORD_COLUMNS, standardise_records

GIVEN = [
    "James",
    "Mary",
    "Robert",
    "Patricia",
    "John",
    "Jennifer",
    "Michael",
    "Linda",
    "David",
    "Elizabeth",
    "William",
    "Barbara",
    "Richard",
    "Susan",
    "Joseph",
    "Jessica",
    "Thomas",
    "Sarah",
    "Charles",
    "Karen",
    "Daniel",
    "Nancy",
    "Matthew",
    "Lisa",
    "Anthony",
    "Betty",
    "Mark",
    "Margaret",
    "Paul",
    "Sandra",
    "Steven",
    "Ashley",
    "Andrew",
    "Kimberly",
    "Kenneth",
    "Emily",
    "Joshua",
    "Donna",
    "Kevin",
    "Michelle",
    "Brian",
    "Carol",
    "George",
    "Amanda",
    "Edward",
    "Melissa",
    "Ronald",
    "Deborah",
]
FAMILY = [
    "Smith",
    "Johnson",
    "Williams",
    "Brown",
    "Jones",
    "Garcia",
    "Miller",
    "Davis",
    "Rodriguez",
    "Martinez",
    "Hernandez",
    "Lopez",
    "Gonzalez",
    "Wilson",
    "Anderson",
    "Thomas",
    "Taylor",
    "Moore",
    "Jackson",
    "Martin",
    "Lee",
    "Perez",
    "Thompson",
    "White",
    "Harris",
    "Sanchez",
    "Clark",
    "Ramirez",
    "Lewis",
    "Robinson",
    "Walker",
    "Young",
    "Allen",
    "King",
    "Wright",
    "Scott",
    "Torres",
    "Nguyen",
    "Hill",
    "Flores",
    "Green",
    "Adams",
    "Nelson",
    "Baker",
    "Hall",
    "Rivera",
    "Campbell",
    "Mitchell",
    "Carter",
]
STREETS = "Oak Maple Cedar Pine Elm Washington Lake Hill Walnut Spring Park River Church High Mill Sunset".split()  # noqa: SIM905


@dataclass(frozen=True)
class Person:
    """One person as they are."""

    number: int
    given: str
    family: str
    born: str
    email: str
    phone: str
    street: str
    postcode: str


def population(households: int, seed: int = 1) -> list[Person]:
    """People in homes of one to four, who share the family name, the address and the landline."""
    chance = random.Random(seed)
    people: list[Person] = []
    for _ in range(households):
        family = chance.choice(FAMILY)
        street = f"{chance.randint(1, 999)} {chance.choice(STREETS)} Street"
        postcode = f"{chance.randint(10000, 99000)}"
        landline = f"+1415{chance.randint(2000000, 9999999)}"
        for given in chance.sample(GIVEN, chance.randint(1, 4)):
            number = len(people)
            born = f"{chance.randint(1940, 2005)}-{chance.randint(1, 12):02d}-{chance.randint(1, 28):02d}"
            email = f"{given}.{family}{number}@mail.org".lower()
            people.append(Person(number, given, family, born, email, landline, street, postcode))
    return people


def mistyped(chance: random.Random, value: str) -> str:
    """The value with one letter dropped or doubled."""
    place = chance.randrange(len(value))
    return value[:place] + value[place + 1 :] if chance.random() < 0.5 else value[:place] + value[place] + value[place:]


def load_population(con: duckdb.DuckDBPyConnection, people: list[Person], seed: int = 2) -> None:
    """The tables `records` (standardised; one to three noisy records a person) and `truth`."""
    chance = random.Random(seed)
    rows = []
    for person in people:
        for copy in range(chance.randint(1, 3)):
            given = mistyped(chance, person.given) if chance.random() < 0.1 else person.given
            family = mistyped(chance, person.family) if chance.random() < 0.05 else person.family
            rows.append(
                {
                    "record_id": f"s{copy}:{person.number}",
                    "source": f"s{copy}",
                    "given_name": given,
                    "family_name": family,
                    "birth_date": person.born if chance.random() < 0.8 else None,
                    "email": person.email if chance.random() < 0.6 else None,
                    "phone": person.phone if chance.random() < 0.7 else None,
                    "street": person.street if chance.random() < 0.9 else None,
                    "postcode": person.postcode if chance.random() < 0.9 else None,
                    "source_record_id": str(person.number),
                }
            )
    load_rows(con, rows)
    con.execute("create or replace table truth as select record_id, source_record_id as person_id from records")
    con.execute("alter table records drop column source_record_id")


def load_rows(con: duckdb.DuckDBPyConnection, rows: list[dict[str, str | None]]) -> None:
    """The table `records`: rows of any canonical columns, standardised."""
    import pyarrow as pa

    columns = {name: pa.array([row.get(name) for row in rows], pa.string()) for name in RECORD_COLUMNS}
    con.register("rows_arrow", pa.table(columns))
    con.execute(
        "create or replace table raw as select * replace (updated_at::timestamp as updated_at, load_date::date as load_date) from rows_arrow"
    )
    con.unregister("rows_arrow")
    standardise_records(con, "raw", "records")
    con.execute("drop table raw")

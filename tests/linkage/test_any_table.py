"""Tables of shapes that nobody tuned for: resolved without configuration, against truth by construction."""

import csv
import random
from pathlib import Path

import duckdb
import pytest
from linkage_people import FAMILY, GIVEN, mistyped

from orchestration.linkage import ClusterScores, evaluate, resolve_files

Row = dict[str, str]
CITIES = "Leeds York Bath Derby Hull Truro Ely Wells Ripon Exeter Oxford Durham Lincoln Preston Salford".split()  # noqa: SIM905


def resolved(folder: Path, rows: list[Row]) -> ClusterScores:
    """Write the rows (`key`, `truth` and any columns) as a raw CSV, resolve it, compare with the truth."""
    names = list(dict.fromkeys(name for row in rows for name in row if name != "truth"))
    path, out = folder / "people.csv", folder / "out.parquet"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    resolve_files([path], "key", out=out)
    con = duckdb.connect(":memory:")
    con.execute("create table truth (record_id varchar, person_id varchar)")
    con.executemany("insert into truth values (?, ?)", [(row["key"], row["truth"]) for row in rows])
    con.execute(f"create table members as select * from '{out}'")
    return evaluate(con, "members", "truth")


def people(count: int, chance: random.Random) -> list[tuple[int, str, str, random.Random]]:
    return [
        (number, chance.choice(GIVEN), chance.choice(FAMILY) + chance.choice(["", "", "son", "ley", "wood"]), chance)
        for number in range(count)
    ]


def only_names_and_cities() -> list[Row]:
    chance = random.Random(11)
    rows = []
    for number, given, family, _ in people(250, chance):
        city = chance.choice(CITIES)
        for copy in range(chance.choice([1, 1, 2, 3])):
            name = f"{given} {family}" if chance.random() < 0.8 else f"{family}, {given}"
            rows.append({"key": f"{number}-{copy}", "truth": str(number), "customer": name, "town": city})
            if chance.random() < 0.1:
                rows[-1]["customer"] = mistyped(chance, name)
    return rows


def only_email_and_phone() -> list[Row]:
    chance = random.Random(12)
    rows = []
    for number, given, family, _ in people(300, chance):
        email, phone = f"{given}.{family}{number}@mail.org".lower(), f"0161 496 {number:04d}"
        rows += [
                {
                    "key": f"{number}-{copy}", "truth": str(number),
                    "e_mail_1": email.upper() if chance.random() < 0.3 else email if chance.random() < 0.8 else "",
                    "ph_no": phone.replace(" ", "") if chance.random() < 0.5 else phone,
                }
            for copy in range(chance.choice([1, 2, 2, 3]))
        ]  # fmt: skip
    return rows


SPELLINGS = [
    ("Jürgen", "Müller", "Juergen", "Mueller"), ("Łukasz", "Wójcik", "Lukasz", "Wojcik"), ("Ольга", "Петрова", "Olga", "Petrova"),
    ("Zoë", "Brontë", "Zoe", "Bronte"), ("Søren", "Kjær", "Soren", "Kjaer"), ("Дмитрий", "Соколов", "Dmitri", "Sokolov"),
    ("José", "Núñez", "Jose", "Nunez"), ("Françoise", "Lefèvre", "Francoise", "Lefevre"), ("Þóra", "Jónsdóttir", "Thora", "Jonsdottir"),
    ("小明", "王", "Xiao Ming", "Wang"), ("秀英", "张", "Xiuying", "Zhang"), ("Jiří", "Dvořák", "Jiri", "Dvorak"),
]  # fmt: skip


def many_scripts_and_languages() -> list[Row]:
    chance = random.Random(13)
    rows = []
    for number in range(240):
        given, _, plain_given, _ = chance.choice(SPELLINGS)
        _, family, _, plain_family = chance.choice(SPELLINGS)
        born = f"{chance.randint(1950, 2004)}-{chance.randint(1, 12):02d}-{chance.randint(13, 28)}"
        town = chance.choice(CITIES)
        year, month, day = born.split("-")
        for copy in range(chance.choice([1, 2, 3])):
            own = chance.random() < 0.5
            rows.append(
                {
                    "key": f"{number}-{copy}", "truth": str(number),
                    "Vorname": given if own else plain_given, "Nachname": family if own else plain_family,
                    "Geburtsdatum": born if own else f"{day}.{month}.{year}", "Ort": town if chance.random() < 0.8 else "",
                }
            )  # fmt: skip
    return rows


def companies_and_their_people() -> list[Row]:
    chance = random.Random(14)
    rows = []
    words = "Alpine Baltic Crown Delta Ember Falcon Granite Harbour Iris Juniper Kestrel Lumen Meridian Nordic Orchid".split()  # noqa: SIM905
    trades = "Logistics Foods Textiles Robotics Optics Timber Shipping Media Paper Tools".split()  # noqa: SIM905
    for number in range(120):
        first, trade = words[number % len(words)], trades[number // len(words) % len(trades)]
        street, phone = f"{chance.randint(1, 300)} {chance.choice(FAMILY)} Road", f"020 7946 {number:04d}"
        for copy, form in enumerate(chance.sample(["Ltd", "Limited", "GmbH", "", "ltd."], chance.choice([1, 2, 3]))):
            name = f"{first} {trade} {form}".strip()
            rows.append(
                {
                    "key": f"o{number}-{copy}", "truth": f"o{number}", "name": name, "kind": "company",
                    "adr": street if chance.random() < 0.8 else "", "tel": phone if chance.random() < 0.7 else "",
                }
            )  # fmt: skip
    for number, given, family, _ in people(120, chance):
        street, phone = f"{chance.randint(1, 300)} {chance.choice(FAMILY)} Road", f"020 7947 {number:04d}"
        rows += [
                {
                    "key": f"p{number}-{copy}", "truth": f"p{number}", "name": f"{given} {family}", "kind": "person",
                    "adr": street, "tel": phone if chance.random() < 0.7 else "",
                }
            for copy in range(chance.choice([1, 2]))
        ]  # fmt: skip
    return rows


def odd_columns_mostly_empty() -> list[Row]:
    chance = random.Random(15)
    rows = []
    for number, given, family, _ in people(300, chance):
        born = (str(chance.randint(1940, 2004)), str(chance.randint(1, 12)), str(chance.randint(1, 28)))
        values = {
            "fname": given, "lname": family, "dob_year": born[0], "dob_month": born[1], "dob_day": born[2],
            "soc_sec_id": f"{chance.randint(100000000, 999999999)}", "ph_no": f"202-555-{number:04d}",
            "e_mail_1": f"{given}{number}@post.net".lower(), "driver_card": f"D{chance.randint(1000000, 9999999)}",
        }  # fmt: skip
        for copy in range(chance.choice([1, 2, 3])):
            kept = {
                name: value for name, value in values.items() if name in ("fname", "lname") or chance.random() < 0.5
            }
            rows.append({"key": f"{number}-{copy}", "truth": str(number), **kept})
    return rows


@pytest.mark.parametrize(
    ("table", "least_f1"),
    [
        (only_names_and_cities, 0.8),
        (only_email_and_phone, 0.95),
        (many_scripts_and_languages, 0.85),
        (companies_and_their_people, 0.85),
        (odd_columns_mostly_empty, 0.8),
    ],
)
def test_a_table_of_any_shape_is_resolved_soundly(tmp_path: Path, table, least_f1: float) -> None:  # type: ignore[no-untyped-def]
    scores = resolved(tmp_path, table())
    assert scores.pairwise_f1 >= least_f1, scores
    assert scores.pairwise_precision >= 0.85, scores
    assert scores.largest_cluster <= 2 * scores.largest_entity, scores

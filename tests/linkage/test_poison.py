"""Values that ten thousand people share: nobody merges who should not, and those who should still do."""

from pathlib import Path

import duckdb
from linkage_people import FAMILY, GIVEN

from orchestration.linkage import resolve_files

PEOPLE = 10_000
TWICE = 200
ENDINGS = ("", "son", "ley", "wood", "man")


def rows(shared: dict[str, str]) -> list[dict[str, str]]:
    """People of different names, all with the same values; the first ones once more, with a typing error."""
    found = []
    for number in range(PEOPLE):
        rest, given = divmod(number, len(GIVEN))
        ending, family = divmod(rest, len(FAMILY))
        person = {
            "id": f"p{number}",
            "first_name": GIVEN[given],
            "last_name": FAMILY[family] + ENDINGS[ending],
            # Coprime steps, so that dates repeat no sooner than names.
            "birth_date": f"{1930 + number * 7 % 79}-{1 + number * 5 % 12:02d}-{1 + number * 11 % 28:02d}",
        }
        found.append({**person, **shared})
        if number < TWICE:
            found.append({**person, **shared, "id": f"again{number}", "last_name": person["last_name"] + "e"})
    return found


def test_an_e_mail_of_ten_thousand_people_joins_nobody(tmp_path: Path) -> None:
    path, out = tmp_path / "people.csv", tmp_path / "out.parquet"
    people = rows({"email": "office@shop.org"})
    names = list(people[0])
    path.write_text("\n".join([",".join(names), *(",".join(row[name] for name in names) for row in people)]) + "\n")
    resolve_files([path], "id", out=out)
    answer = f"""
        with members as (
            select customer_id, regexp_extract(record_id, '[0-9]+') as person, count(*) as records from '{out}' group by all
        )
        select
            (select count(*) from (from members select customer_id group by all having count(*) > 1)),
            (select count(*) from members where records = 2)
        """
    merged, doubles = duckdb.sql(answer).fetchall()[0]
    assert merged == 0
    assert doubles >= 0.95 * TWICE

"""Columns that change: what each policy does, how messages tell the kinds apart, and that order of days does not matter."""

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.sources.contract import ContractError, load_contract
from orchestration.sources.drift import content_likeness, name_likeness, snake_case
from orchestration.sources.load import LoadResult, load_day
from orchestration.sources.read import DeliveryError, DriftError

DAYS = (date(2026, 1, 5), date(2026, 1, 6), date(2026, 1, 7))
CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: people
version: 1.0.0
status: active
team: {{name: t, members: [{{username: owner@example.com, role: owner}}]}}
servers: [{{server: landing, type: local, path: "people/{{date}}", format: {format}}}]
customProperties: [{{property: driftPolicy, value: {policy}}}]
schema:
  - name: members
    physicalName: members.*
    customProperties: [{{property: feeds, value: [customer_records]}}]
    properties:
      - {{name: id, logicalType: string, primaryKey: true, classification: pseudonymous}}
      - {{name: contact, logicalType: string, classification: personal}}
      - {{name: points, logicalType: integer, classification: internal}}
"""
HEADER = "id,contact,points\n"


class People:
    """A source with one contract, its landing and a warehouse."""

    def __init__(self, folder: Path, policy: str = "strict", format: str = "csv") -> None:
        self.folder, self.format = folder, format
        self.landing = folder / "landing"
        self.con = duckdb.connect()
        self.set_policy(policy)

    def set_policy(self, policy: str) -> None:
        path = self.folder / "people.odcs.yaml"
        path.write_text(CONTRACT.format(format=self.format, policy=policy))
        self.contract = load_contract(path)

    def deliver(self, day: date, text: str) -> None:
        file = self.landing / "people" / str(day) / f"members.{self.format}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def load(self, day: date, text: str | None = None) -> LoadResult:
        if text is not None:
            self.deliver(day, text)
        return load_day(self.con, self.contract, self.contract.tables[0], day, self.landing, "run")

    def raw(self) -> list[dict[str, object]]:
        rows = self.con.execute("select * from raw.people__members order by _load_date, _row")
        names = [column[0] for column in rows.description or []]
        return [dict(zip(names, row, strict=True)) for row in rows.fetchall()]

    def history(self) -> list[tuple[object, ...]]:
        return self.con.execute(
            "select load_date, column_name, observed_type, change from quality.schema_history order by all"
        ).fetchall()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path


def test_an_unknown_policy_is_refused(folder: Path) -> None:
    with pytest.raises(ContractError, match=r"driftPolicy: 'sometimes' is not one of strict, evolve, ignore"):
        People(folder, "sometimes")


def test_strict_stops_on_an_unknown_column_and_names_the_other_policies(folder: Path) -> None:
    with pytest.raises(DriftError, match=r"not in the contract: 'tier'.*driftPolicy evolve or ignore"):
        People(folder).load(DAYS[0], "id,contact,points,tier\n1,a@x.org,1,gold\n")


def test_evolve_lands_an_unknown_column_as_text_behind_the_contracts(folder: Path) -> None:
    people = People(folder, "evolve")
    people.load(DAYS[0], HEADER + "1,a@x.org,1\n")
    people.load(DAYS[1], "id,Loyalty Tier,contact,points\n2,3,b@x.org,2\n")
    assert list(people.raw()[0]) == ["id", "contact", "points", "loyalty_tier", "_load_date", "_file", "_row"]
    assert [row["loyalty_tier"] for row in people.raw()] == [None, "3"]
    assert people.history()[-1] == (DAYS[1], "loyalty_tier", "bigint", "added")


def test_ignore_leaves_an_unknown_column_out_and_notes_it(folder: Path) -> None:
    people = People(folder, "ignore")
    people.load(DAYS[0], "id,contact,points,tier\n1,a@x.org,1,gold\n")
    assert list(people.raw()[0]) == ["id", "contact", "points", "_load_date", "_file", "_row"]
    assert (DAYS[0], "tier", "unknown", "first_seen") in people.history()


@pytest.mark.parametrize(("policy", "extra"), [("evolve", "gold"), ("ignore", None)])
def test_unknown_keys_of_json_lines_follow_the_policy(folder: Path, policy: str, extra: str | None) -> None:
    line = '{"id": "1", "contact": "a", "points": 1, "say \\"tier\\"": "gold"}\n{"id": "2"}\n'
    people = People(folder, "strict", "jsonl")
    with pytest.raises(DriftError, match="not in the contract: 'say \"tier\"'"):
        people.load(DAYS[0], line)
    people.set_policy(policy)
    people.load(DAYS[0])
    assert [row.get("say_tier") for row in people.raw()] == [extra, None]


def test_parquet_evolves_and_a_type_that_still_fits_is_noted_as_retyped(folder: Path) -> None:
    people = People(folder, "evolve", "parquet")
    for day, points in ((DAYS[0], [1, 2]), (DAYS[1], ["3", "4"])):
        file = people.landing / "people" / str(day) / "members.parquet"
        file.parent.mkdir(parents=True)
        pq.write_table(pa.table({"id": ["1", "2"], "contact": ["a", "b"], "points": points, "rank": [1.5, None]}), file)
        people.load(day)
    assert [row["points"] for row in people.raw()] == [1, 2, 3, 4]
    assert [row["rank"] for row in people.raw()] == ["1.5", None, "1.5", None]
    assert (DAYS[1], "points", "varchar", "retyped") in people.history()


def test_a_renamed_column_is_suggested_by_its_content_whatever_its_name(folder: Path) -> None:
    people = People(folder)
    people.load(DAYS[0], HEADER + "".join(f"{n},person{n}@x.org,{n}\n" for n in range(20)))
    rows = "".join(f"{n},{n},new{n}@y.org\n" for n in range(20))
    with pytest.raises(DriftError, match=r"missing: 'contact' \(renamed to 'mail'\? its values look alike\)"):
        people.load(DAYS[1], "id,points,mail\n" + rows)
    with pytest.raises(DriftError, match=r"missing: 'contact' \(renamed to 'contacts'\? name and values are alike\)"):
        people.load(DAYS[1], "id,points,contacts\n" + rows)


@pytest.mark.parametrize("policy", ["strict", "evolve", "ignore"])
def test_a_vanished_column_stops_under_every_policy(folder: Path, policy: str) -> None:
    people = People(folder, policy)
    people.load(DAYS[0], HEADER + "1,a@x.org,1\n")
    with pytest.raises(DriftError, match="missing: 'contact'"):
        people.load(DAYS[1], "id,points\n1,1\n")
    assert len(people.raw()) == 1


def test_a_column_that_changes_its_type_is_told_from_rows_with_a_wrong_value(folder: Path) -> None:
    people = People(folder)
    people.load(DAYS[0], HEADER + "1,a@x.org,many\n" + "".join(f"{n},b,{n}\n" for n in range(2, 12)))
    assert len(people.raw()) == 10
    with pytest.raises(DriftError, match=r"'points' is no bigint in 12 of 12 values, which look like date"):
        people.load(DAYS[1], HEADER + "".join(f"{n},b,2026-01-{n + 10}\n" for n in range(12)))


def test_a_new_policy_that_does_not_fit_an_old_day_leaves_everything_as_it_was(folder: Path) -> None:
    people = People(folder, "evolve")
    people.load(DAYS[0], "id,contact,points,tier\n1,a@x.org,1,gold\n")
    before = people.raw()
    people.set_policy("strict")
    with pytest.raises(DriftError):
        people.load(DAYS[0])
    assert people.raw() == before


def test_what_was_refused_stays_in_the_history_of_the_schema(folder: Path) -> None:
    people = People(folder)
    rows = "".join(f"{i},p{i}@x.org,{i}\n" for i in range(12))
    people.load(DAYS[0], HEADER + rows)
    accepted = people.history()
    refused = [
        "id,mail,points,tier\n" + "".join(f"{i},p{i}@x.org,{i},gold\n" for i in range(12)),
        "id,contact\n1,a@x.org\n",
        HEADER + "".join(f"{i},p{i}@x.org,2026-01-{i + 10}\n" for i in range(12)),
    ]
    for text in (*refused, refused[-1]):
        with pytest.raises(DriftError):
            people.load(DAYS[1], text)
    told = [
        (DAYS[1], "contact", None, "refused_renamed?"),
        (DAYS[1], "mail", None, "refused_unknown"),
        (DAYS[1], "points", "date", "refused_retyped"),
        (DAYS[1], "points", None, "refused_missing"),
        (DAYS[1], "tier", None, "refused_unknown"),
    ]
    assert [entry for entry in people.history() if entry not in accepted] == told
    people.load(DAYS[1], HEADER + rows)
    assert [entry for entry in people.history() if entry not in accepted] == told


def test_likeness_tells_kinds_of_content_apart() -> None:
    mails, dates = [f"p{n}@x.org" for n in range(30)], [f"2026-01-{n:02}" for n in range(1, 30)]
    assert content_likeness(mails, [f"q{n}@site.com" for n in range(30)]) >= 0.8
    assert content_likeness(mails, dates) < 0.1
    assert name_likeness("E-Mail", "email") == 1
    assert name_likeness("city", "county") < 0.95
    assert [snake_case(name) for name in ("EmailAddress", "e mail", "2nd")] == ["email_address", "e_mail", "column_2nd"]


FILES = st.fixed_dictionaries(
    {
        day: st.tuples(
            st.lists(st.sampled_from(("tier", "Zone", "note")), unique=True, max_size=3),
            st.lists(st.tuples(st.integers(0, 4), st.sampled_from(("1", "x", ""))), min_size=1, max_size=4),
        )
        for day in DAYS
    }
)
ORDERS = st.lists(st.sampled_from(DAYS), min_size=3, max_size=7).filter(lambda days: set(days) == set(DAYS))


@settings(max_examples=20, deadline=None)
@given(files=FILES, order=ORDERS, policy=st.sampled_from(("strict", "evolve", "ignore")))
def test_drifting_days_in_any_order_give_the_state_of_the_ordered_run(
    tmp_path_factory: pytest.TempPathFactory,
    files: dict[date, tuple[list[str], list[tuple[int, str]]]],
    order: list[date],
    policy: str,
) -> None:
    def state(days: Sequence[date]) -> list[list[tuple[object, ...]]]:
        people = People(tmp_path_factory.mktemp("days"), policy)
        for day, (extras, rows) in files.items():
            lines = [",".join([f"{n}", "c", points, *(f"{name}{n}" for name in extras)]) for n, points in rows]
            people.deliver(day, "\n".join([",".join(["id", "contact", "points", *extras]), *lines]) + "\n")
        stopped = set()
        for day in days:
            try:
                people.load(day)
            except DeliveryError as error:
                stopped.add((day, str(error)))
        tables = [
            "select * from raw.people__members",
            # The latest version of each record by load date and row: what staging, and with it the marts, are fed.
            """
            select * from raw.people__members
            qualify row_number() over (partition by id order by _load_date desc, _row desc) = 1
            """,
            "describe raw.people__members",
            "select load_date, check_name, value, row_key, file, row_number, record from quarantine.people__members",
            "select table_name, load_date, file, rows_landed, rows_loaded, rows_quarantined from quality.loads",
            "select table_name, load_date, column_name, observed_type, change from quality.schema_history",
        ]
        result = [people.con.execute(f"from ({query}) order by all").fetchall() for query in tables]
        people.con.close()
        return [*result, sorted(stopped)]

    assert state(order) == state(DAYS)

"""Days that come late, repeatedly, out of order and with drift give the raw tables and marts of the ordered run."""

import json
import shutil
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from expectations.suites import raw_gate
from orchestration.config import Settings
from orchestration.project import Project
from orchestration.quality import RunContext
from orchestration.quality.gate import run_gate_on
from orchestration.sources.errors import DriftError
from orchestration.sources.load import load_day
from tests.fixtures.without_ids import redirects_lead_to_the_living, without_ids
from tests.integration.test_dbt_project import CONTRACTS, House

DAYS = (date(2026, 1, 5), date(2026, 1, 6), date(2026, 1, 7))
CRM = "contact_id,first_name,middle_name,last_name,birth_date,gender,email,phone,street,unit,city,state,postal_code,country,national_id,loyalty_no,created_at,updated_at"
Version = Literal["final", "draft", "drifted"]
VERSIONS: tuple[Version, ...] = ("final", "draft", "drifted")
State = tuple[dict[str, list[tuple[Any, ...]]], dict[str, list[tuple[Any, ...]]]]


def contact(key: int, day: date, name: str, email: str) -> str:
    return f"C{key},{name},,Doe,1980-02-03,,{email},,,,,,,GB,,,2025-01-01T00:00:00Z,{day}T08:00:00Z"


def deliver(landing: Path, day: date, version: Version = "final") -> None:
    """A day of contacts; the second has a column more, and each has rows for quarantine.

    A `draft` is an earlier file of the day with another name and without its last rows; in a `drifted` one a column of
    the contract is gone, so that it is refused.
    """
    number = DAYS.index(day)
    extra = ",shoe_size" if number == 1 else ""
    rows = [
        contact(1, day, f"Ann{number}", "ann@mail.test.org"),
        contact(10 + number, day, "Bob", f"bob{number}@mail.test.org"),
        contact(20 + number, day, "Bad", "no address"),
    ]
    if version == "draft":
        rows = [contact(1, day, "Draft", "draft@mail.test.org")]
    lines = [CRM + extra, *(row + (",42" if extra else "") for row in rows)]
    if version == "drifted":
        lines = [line.partition(",")[2] for line in lines]
    file = landing / "crm" / str(day) / "contacts.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    folder = tmp_path_factory.mktemp("any_order")
    contracts = folder / "contracts"
    contracts.mkdir()
    content = yaml.safe_load((CONTRACTS / "crm.odcs.yaml").read_text())
    content["customProperties"].append({"property": "driftPolicy", "value": "evolve"})
    (contracts / "crm.odcs.yaml").write_text(yaml.safe_dump(content))
    made = Project(Settings(data=folder / "data", contracts=contracts))
    yield made


def state(project: Project, deliveries: Sequence[tuple[date, Version]]) -> State:
    """The raw tables with their quarantine, and the marts, after files were delivered, loaded and gated in an order.

    Ids are given, and taken as published, after each day, as runs do; the marts are built once, at the end.
    """
    shutil.rmtree(project.settings.warehouse.parent, ignore_errors=True)
    house = House(project)
    contract, table = project.tables[0]
    for day, version in deliveries:
        deliver(project.settings.landing, day, version)
        with project.warehouse() as con:
            if version == "drifted":
                with pytest.raises(DriftError, match="missing: 'contact_id'"):
                    load_day(con, contract, table, day, project.settings.landing, "run")
                continue
            load_day(con, contract, table, day, project.settings.landing, "run")
            run_gate_on(con, raw_gate(contract, table), RunContext("run", day), table)
        give_ids(house)
    house.build()
    assert redirects_lead_to_the_living(house.rows)
    raw = {
        "raw": house.rows(f"select * from raw.{table.raw_name} order by all"),
        "quarantine": [
            (*place, given_values(record))
            for *place, record in house.rows(
                f"select * exclude (run_id, quarantined_at, record), record from quarantine.{table.raw_name} order by all"
            )
        ],
    }
    return raw, without_ids(house.marts(), house.rows)


def give_ids(house: House) -> None:
    """Ids of the people known so far, without building more than they need."""
    house.read_ledger()
    house.dbt("run", "--select", "+int_customer_records")
    house.resolve()


def given_values(record: str) -> dict[str, Any]:
    """A quarantined row without its nulls: a drifted column is null in it, or not known yet, by the order of days."""
    return {name: value for name, value in json.loads(record).items() if value is not None}


@pytest.fixture(scope="module")
def ordered(project: Project) -> State:
    return state(project, [(day, "final") for day in DAYS])


def test_the_ordered_run_has_what_the_others_are_measured_by(ordered: State) -> None:
    raw, marts = ordered
    assert len(raw["raw"]) == 6
    assert len(raw["quarantine"]) == 3
    assert len(marts["marts.dim_customer"]) == 4


@settings(max_examples=2, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    before=st.lists(st.tuples(st.sampled_from(DAYS), st.sampled_from(VERSIONS)), min_size=1, max_size=3),
    last=st.permutations(DAYS),
    again=st.lists(st.sampled_from(DAYS), max_size=1),
)
def test_any_order_gives_the_state_of_the_ordered_run(
    project: Project, ordered: State, before: list[tuple[date, Version]], last: list[date], again: list[date]
) -> None:
    """Drafts, refused files and repeats in between: what counts is the last file of each day, whenever it came."""
    final: list[tuple[date, Version]] = [(day, "final") for day in [*last, *again]]
    assert state(project, [*before, *final]) == ordered


def test_a_late_first_day_after_a_draft_and_a_refused_file(project: Project, ordered: State) -> None:
    first, second, third = DAYS
    came: list[tuple[date, Version]] = [
        (third, "draft"), (second, "drifted"), (second, "final"), (third, "final"), (first, "drifted"), (first, "final"),
    ]  # fmt: skip
    assert state(project, came) == ordered

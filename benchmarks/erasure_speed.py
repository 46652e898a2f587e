"""How long erasing takes: one person, and a thousand in one request, from a large warehouse.

Run by hand: `python benchmarks/erasure_speed.py [--customers 316000] [--people 1000] [--folder DIR]`.

The warehouse is built by the pipeline's own steps but for linkage: the sample's landing files are loaded, integrated and
standardised as in a daily run, memberships and edges come from the sample's truth (scoring is measured elsewhere and
would take longer than all the rest), and dbt builds everything behind them. 316,000 customers of the sample give about
1,000,000 customer records. Then the public commands' functions erase, with everything that the command does: tombstones,
landing, warehouse, rewriting, publishing, the search for leftovers and the certificate. A folder that was built before is
used again, as long as it lies there; each measurement works on a copy in its place.

Targets: one person within 120 seconds, a thousand people in one request within 180.
"""

import argparse
import json
import os
import shutil
import tempfile
import time
from datetime import date
from pathlib import Path

from orchestration.config import PROJECT_ROOT, Settings
from orchestration.ledger.store import Ledger
from orchestration.linkage.sql import scalar_int
from orchestration.privacy.closure import Selector
from orchestration.privacy.encryption import load_encryption_key
from orchestration.privacy.erasure import erase
from orchestration.privacy.ledger_tables import write_consent_events, write_restrictions
from orchestration.privacy.purposes import dbt_purposes
from orchestration.privacy.secret import load_secret
from orchestration.project import Project
from orchestration.publishing import (
    build_report,
    column_privacy,
    public_tables,
    publish_analytics,
    publish_customers,
    publish_public,
    table_texts,
)
from orchestration.republish import republish
from orchestration.sample import generate
from orchestration.sources.load import load_day
from orchestration.standardise import standardise_records

DAY = date(2026, 1, 5)
RUN = "benchmark"
TARGETS = {1: 120.0, 1000: 180.0}


def build(project: Project, customers: int) -> None:
    """Landing, raw and everything behind it, with memberships from the truth."""
    settings = project.settings
    generate(customers, 1, 7, settings.landing, start=DAY)
    with project.exclusive():
        with project.warehouse() as con:
            for contract, table in project.tables:
                load_day(con, contract, table, DAY, settings.landing, RUN)
        project.transform.prepare()
        with project.warehouse() as con:
            ledger = Ledger.of(settings)
            con.execute("create schema if not exists integration")
            write_consent_events(con, ledger)
            write_restrictions(con, ledger, dbt_purposes(project.contracts))
        for _ in project.transform.run("seed", []):
            pass
        _run_dbt(project, "staging", "integration")
        with project.warehouse() as con:
            con.execute("create schema if not exists cleansing")
            con.execute("create schema if not exists resolution")
            standardise_records(con, "integration.int_customer_records", "cleansing.standardised_records")
            _resolve_by_truth(con, settings.data / "sample_truth" / "records.parquet")
        _run_dbt(project, "cleansing", "marts", "analysis")
        _publish(project)


def _publish(project: Project) -> None:
    """The published files, by the run that loaded the day."""
    settings = project.settings
    manifest = project.transform.target / "manifest.json"
    words, texts, key = column_privacy(manifest), table_texts(manifest), load_encryption_key(settings)
    publish_analytics(
        settings.warehouse, settings.published, words, load_secret(settings), texts, run_id=RUN, load_date=DAY
    )
    publish_customers(settings.warehouse, settings.customers_file, key, texts, run_id=RUN, load_date=DAY)
    plans = public_tables(manifest)
    publish_public(settings.warehouse, settings.published, plans, settings.k_anonymity, texts, load_date=DAY)
    build_report(settings.warehouse, settings.published / "report.html")


def _resolve_by_truth(con, truth: Path) -> None:  # type: ignore[no-untyped-def]
    """Clusters and edges as a perfect linkage would give them, and one id for each cluster."""
    con.execute(
        f"""
        create or replace table resolution.clusters as
        select
            records.record_id,
            min(records.record_id) over (partition by coalesce(truth.person_id, records.record_id)) as cluster_id,
            1.0::double as match_probability
        from cleansing.standardised_records as records
        left join read_parquet('{truth}') as truth using (record_id)
        order by all
        """
    )
    con.execute(
        """
        create or replace table resolution.edges as
        select l.record_id as record_id_l, r.record_id as record_id_r, 12.0::double as match_weight,
            0.99::double as match_probability, 'truth' as model_version
        from resolution.clusters as l
        inner join resolution.clusters as r on l.cluster_id = r.cluster_id and l.record_id < r.record_id
        """
    )
    con.execute(
        """
        create or replace table resolution.memberships as
        select record_id, 'cus_' || left(sha256(cluster_id), 20) as customer_id, match_probability
        from resolution.clusters
        order by record_id
        """
    )
    con.execute(
        f"""
        create or replace table resolution.customer_ids as
        select
            customer_id, min(record_id) as record_id, 0::integer as generation, date '{DAY}' as minted_on,
            null::date as retired_on, null::varchar as cause, customer_id as current_customer_id
        from resolution.memberships
        group by customer_id
        """
    )
    con.execute(
        """
        create or replace table resolution.carried_refusals (
            record_id varchar, kind varchar, purpose varchar, channel varchar, legal_basis varchar,
            occurred_at timestamp, carried_on date
        )
        """
    )


def _run_dbt(project: Project, *folders: str) -> None:
    for _ in project.transform.run("run", ["--select", *(f"fqn:kindred.{folder}" for folder in folders)]):
        pass


class Clock:
    """Seconds and processor seconds (children's included) of each step, the first one named `find`."""

    def __init__(self) -> None:
        self.steps: dict[str, tuple[float, float]] = {}
        self._now: tuple[str, float, float] = ("find", *self._read())

    def begin(self, step: str) -> None:
        """The step before has ended."""
        name, wall, cpu = self._now
        self._now = (step, *self._read())
        self.steps[name] = (self._now[1] - wall, self._now[2] - cpu)

    def end(self) -> None:
        """The last step has ended."""
        self.begin("")

    @staticmethod
    def _read() -> tuple[float, float]:
        used = os.times()
        return time.perf_counter(), used.user + used.system + used.children_user + used.children_system


def measure(built: Path, people: int, work: Path) -> dict[str, object]:
    """Erase so many people from a copy of the built folder."""
    # In the place where it was built, as erasures are: dbt parses all anew where it finds itself in another folder.
    pristine = work / "pristine"
    built.rename(pristine)
    try:
        shutil.copytree(pristine, built)
        return _measured(_project(built), people)
    finally:
        shutil.rmtree(built, ignore_errors=True)
        pristine.rename(built)


def _measured(project: Project, people: int) -> dict[str, object]:
    with project.warehouse() as con:
        records = scalar_int(con, "select count(*) from resolution.memberships")
        rows = con.execute(
            "select customer_id from resolution.memberships group by 1 having count(*) >= 3 order by hash(customer_id, 7) "
            f"limit {people}"
        ).fetchall()
    clock = Clock()
    done = erase(project, [Selector("customer", row[0]) for row in rows], republish, clock.begin)
    clock.end()
    certificate = json.loads(done.certificate.read_text())
    return {
        "people": people,
        "records_in_warehouse": records,
        "rows_removed": sum(done.removed.values()),
        "seconds": round(sum(wall for wall, _ in clock.steps.values()), 1),
        "processor_seconds": round(sum(cpu for _, cpu in clock.steps.values()), 1),
        "load_average": round(os.getloadavg()[0], 1),
        "steps": {name: {"seconds": round(wall, 1), "cpu": round(cpu, 1)} for name, (wall, cpu) in clock.steps.items()},
        "bytes_searched": certificate["residual_scan"]["bytes"],
        "target_seconds": TARGETS.get(people),
    }


def _project(data: Path) -> Project:
    os.environ["KINDRED_DATA"] = str(data)
    os.environ.setdefault("KINDRED_SECRET", "a secret for benchmarks, of more than thirty-two characters")
    return Project(Settings(data=data, contracts=PROJECT_ROOT / "data" / "contracts"))


def main() -> None:
    """Build if need be, measure one person and many, print one line of JSON each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--customers", type=int, default=316_000)
    parser.add_argument("--people", type=int, default=1000)
    parser.add_argument("--folder", type=Path, default=None, help="where the built warehouse is kept")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="kindred-erasure-"))
    built = folder / "data"
    if (folder / "pristine").exists():
        # A measurement that was killed.
        shutil.rmtree(built, ignore_errors=True)
        (folder / "pristine").rename(built)
    if not (built / "published" / "report.html").exists():
        began = time.perf_counter()
        build(_project(built), arguments.customers)
        print(json.dumps({"built_seconds": round(time.perf_counter() - began, 1)}), flush=True)
    for people in (1, arguments.people):
        print(json.dumps(measure(built, people, folder)), flush=True)


if __name__ == "__main__":
    main()

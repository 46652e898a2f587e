"""Days of records and clusters for the tests of identity, and a plain reading of what a run must have kept to.

Belongs here: driving the public functions over days in a small database. Does not belong here: assertions of one test.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from hashlib import sha256

import duckdb

from orchestration.identity import IdChanges, accept_ids, assign_ids, ensure_tables

FIRST_DAY = date(2026, 1, 5)
Partition = Mapping[str, object]
"""Record id to anything that names its cluster."""


def first_id(record: str) -> str:
    """The id that a record founds the first time."""
    return "cus_" + sha256(record.encode()).hexdigest()[:20]


@dataclass
class Days:
    """A warehouse through which days go."""

    con: duckdb.DuckDBPyConnection = field(default_factory=lambda: duckdb.connect(config={"threads": 1}))
    loaded: dict[str, date] = field(default_factory=dict)
    shuffle: random.Random | None = None
    """Shuffles rows and renames clusters, where given."""

    def assign(
        self,
        partition: Partition,
        day: int = 0,
        *,
        model: str = "m1",
        edges: list[tuple[str, str, float]] | None = None,
        judgements: list[tuple[int, str, str, str]] | None = None,
        said: Mapping[str, int] | None = None,
        regrouped: Partition | None = None,
    ) -> IdChanges:
        """One run of a day (counted from the first), not yet accepted."""
        run_date = FIRST_DAY + timedelta(days=day)
        for record in partition:
            self.loaded.setdefault(record, run_date)
        rows = [(record, f"c{cluster}") for record, cluster in partition.items()]
        if self.shuffle is not None:
            self.shuffle.shuffle(rows)
            rows = [(record, f"{cluster[::-1]} by another name") for record, cluster in rows]
        self._fill("clusters (record_id varchar, cluster_id varchar, match_probability double)",
                   [(*row, 1.0) for row in rows])  # fmt: skip
        self._fill("records (record_id varchar, first_load_date date)", [*self.loaded.items()])
        self._fill(
            "edges (record_id_l varchar, record_id_r varchar, match_weight double, model_version varchar)",
            [(*sorted(pair[:2]), pair[2], model) for pair in edges or ()],
        )
        self.con.execute("create schema if not exists resolution")
        self._fill(
            "resolution.judgements (judgement_id bigint, record_id_l varchar, record_id_r varchar, verdict varchar, "
            "decided_at timestamp)",
            [(*row, "2026-01-05 10:00:00") for row in judgements or ()],
        )
        self._fill("said (record_id varchar, row_hash ubigint)", [(r, (said or {}).get(r, 0)) for r in partition])
        if regrouped is not None:
            self._fill("regrouped (record_id varchar, cluster_id varchar)", [(r, str(c)) for r, c in regrouped.items()])
        return assign_ids(
            self.con, "clusters", "records", run_date, model_version=model, edges="edges",
            judgements="resolution.judgements", regrouped=None if regrouped is None else "regrouped",
        )  # fmt: skip

    def run(self, partition: Partition, day: int = 0, *, model: str = "m1", **more: object) -> IdChanges:
        """One run of a day that is published."""
        changes = self.assign(partition, day, model=model, **more)  # type: ignore[arg-type]
        accept_ids(self.con, FIRST_DAY + timedelta(days=day), model, clusters="clusters", said="said")
        return changes

    def ids(self) -> dict[str, str]:
        """Record to customer."""
        return dict(self.con.execute("select record_id, customer_id from resolution.memberships").fetchall())

    def events(self) -> list[tuple[str, str, str | None, str]]:
        """Kind, customer, other customer, cause, in the order in which they were appended."""
        return self.con.execute(
            "select kind, customer_id, other_customer_id, cause from resolution.id_events order by position"
        ).fetchall()

    def redirects(self) -> dict[str, str | None]:
        """Retired ids and where they lead."""
        return dict(
            self.con.execute(
                "select customer_id, current_customer_id from resolution.customer_ids where retired_on is not null"
            ).fetchall()
        )

    def published_ids(self) -> dict[str, str]:
        """Record to customer as last published; nothing before the first run."""
        ensure_tables(self.con)
        return dict(self.con.execute("select record_id, customer_id from resolution.accepted_memberships").fetchall())

    def told(self) -> int:
        """How many events were published."""
        return int(self.con.execute("select coalesce(max(events), 0) from resolution.accepted_run").fetchall()[0][0])

    def everything(self) -> list[list[tuple]]:
        """The tables that a replay has to give again."""
        return [
            self.con.execute(f"select * from resolution.{table} order by all").fetchall()
            for table in ("memberships", "id_events", "customer_ids")
        ]

    def _fill(self, table: str, rows: list[tuple]) -> None:
        name = table.split(" ")[0]
        self.con.execute(f"create or replace table {table}")
        if rows:
            marks = ", ".join(f"({', '.join('?' * len(row))})" for row in rows)
            self.con.execute(f"insert into {name} values {marks}", [value for row in rows for value in row])

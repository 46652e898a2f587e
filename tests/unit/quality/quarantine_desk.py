"""A source of one small table with its landing folder, warehouse and ledger, to work on its quarantine."""

from datetime import date
from pathlib import Path

import duckdb

from orchestration.ledger.decisions import decisions_of
from orchestration.ledger.store import Ledger
from orchestration.quality.decided import Place, ensure_decided_tables
from orchestration.quality.quarantine import ensure_quarantine_table
from orchestration.quality.replay import Desk
from orchestration.sources.contract import load_contract
from orchestration.sources.load import load_day

DAY = date(2026, 1, 5)
HEADER = "id,email,born"
FILE = f"people/{DAY}/members.csv"
CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: people
version: 1.0.0
status: active
team: {{name: t, members: [{{username: owner@example.com, role: owner}}]}}
servers: [{{server: landing, type: local, path: "people/{{date}}", format: csv}}]
schema:
  - name: members
    physicalName: members.*
    customProperties: [{{property: feeds, value: [customer_records]}}]
    quality: [{{type: library, metric: invalidValues, unit: percent, mustBeLessOrEqualTo: 100}}]
    properties:
      - {{name: id, logicalType: string, primaryKey: true, required: true, classification: pseudonymous}}
      - name: email
        logicalType: string
        classification: personal
        logicalTypeOptions: {{pattern: '{pattern}'}}
      - {{name: born, logicalType: date, logicalTypeOptions: {{format: dd/MM/yyyy}}, classification: personal}}
"""


class Source:
    """The table `people__members`: e-mail addresses need an @, birth dates are dd/MM/yyyy."""

    def __init__(self, folder: Path, pattern: str = "@") -> None:
        self.folder = folder
        self.path = folder / "people.odcs.yaml"
        self.con = duckdb.connect()
        self.ledger = Ledger(f"sqlite:///{folder}/ledger/ledger.sqlite")
        self.agree(pattern)

    def agree(self, pattern: str) -> None:
        """Write the contract with this pattern for e-mail addresses."""
        self.path.write_text(CONTRACT.format(pattern=pattern))
        self.contract = load_contract(self.path)
        self.table = self.contract.tables[0]

    def land(self, *lines: str, day: date = DAY) -> None:
        """Put the day's file into landing, in place of an earlier one."""
        file = self.folder / "landing" / "people" / str(day) / "members.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join([HEADER, *lines]) + "\n")

    def load(self, day: date = DAY, *, gate: bool = True) -> None:
        """Load and gate the day as a run does."""
        from expectations.suites import raw_gate
        from orchestration.quality import RunContext
        from orchestration.quality.gate import run_gate_on

        landing = self.folder / "landing"
        load_day(self.con, self.contract, self.table, day, landing, "run", decisions_of(self.ledger))
        if gate:
            run_gate_on(self.con, raw_gate(self.contract, self.table), RunContext("run", day), self.table)

    def desk(self) -> Desk:
        """The desk of somebody who works on the quarantine."""
        ensure_quarantine_table(self.con, self.table.raw_name)
        ensure_decided_tables(self.con)
        return Desk(self.con, self.ledger, self.contract, self.table, self.folder / "landing", "anna")

    def rebuilt(self) -> "Source":
        """The same landing, contract and ledger with an empty warehouse."""
        other = object.__new__(Source)
        other.__dict__ |= {**self.__dict__, "con": duckdb.connect()}
        return other

    def raw(self) -> list[tuple]:
        return self.con.execute(
            "select id, email, born::varchar, _row from raw.people__members order by _load_date, _row"
        ).fetchall()

    def held(self) -> list[tuple]:
        return self.con.execute(
            "select row_number, check_name from quarantine.people__members order by load_date, file, row_number, check_name"
        ).fetchall()

    def discarded(self) -> list[tuple]:
        return self.con.execute(
            "select row_number, check_names, reason from quality.discarded_rows order by load_date, file, row_number"
        ).fetchall()


def at(row: int, day: date = DAY) -> Place:
    """A row of the day's file."""
    return Place(f"people/{day}/members.csv", row)

"""Which tables are gated, after which stage, and where their suites are: the registry.

Importing it is cheap: suites, and with them Great Expectations, are imported when one is built.

Belongs here: the list. Does not belong here: expectations (one module per table beside this file), or running them
(`orchestration.quality.gate`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from importlib import import_module
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation

    from orchestration.sources.contract import Contract, Table

Stage = Literal["collection", "integration", "cleansing", "storage"]
Scope = Literal["load_date", "table"]


@dataclass(frozen=True)
class SuiteInput:
    """What a suite may depend on besides its own module."""

    load_date: date
    table: "Table | None" = None
    """The contract's table, for the raw gate."""
    gate: "GatedTable | None" = None


@dataclass(frozen=True)
class Follower:
    """Rows of another table that were made of a gated row, and that leave with it when it is held back."""

    schema: str
    table: str
    column: str
    """The column that names them."""
    prefix: str
    """What stands there before the gated row's key."""


@dataclass(frozen=True)
class GatedTable:
    """One table that has to pass a gate before the next stage may read it."""

    stage: Stage
    schema: str
    table: str
    key: tuple[str, ...]
    """The columns that name a row, as they stand in quarantine's `row_key`, joined by `|`."""
    module: str
    """Where the suite is built: a module with `build(SuiteInput) -> list of expectations`."""
    scope: Scope = "table"
    """`load_date`: only the rows that the day brought; `table`: all rows."""
    owed_rows: bool = False
    """Whether a day without any row is wrong enough to stop (a full snapshot) rather than to warn."""
    expects_rows: bool = False
    """Whether a day without any row is worth a warning (a delivery is owed each day)."""
    followers: tuple[Follower, ...] = ()
    """Built in the same stage, before this gate has spoken."""

    @property
    def name(self) -> str:
        """`<schema>.<table>`, the name in results and messages."""
        return f"{self.schema}.{self.table}"

    def build(self, given: SuiteInput) -> "list[Expectation]":
        """The table's expectations. Imports Great Expectations."""
        return import_module(self.module).build(given)


def _derived(stage: Stage, schema: str, table: str, *key: str, followers: tuple[Follower, ...] = ()) -> GatedTable:
    return GatedTable(
        stage=stage, schema=schema, table=table, key=key, module=f"expectations.suites.{table}", followers=followers
    )


_ORDER_EVENTS = Follower("integration", "int_customer_events", "event_id", "order_placed:")


# In the order in which the tables are made.
DERIVED_GATES: tuple[GatedTable, ...] = (
    _derived("integration", "integration", "int_customer_records", "record_id"),
    _derived("integration", "integration", "int_orders", "order_id", followers=(_ORDER_EVENTS,)),
    _derived("integration", "integration", "int_customer_events", "event_id"),
    _derived("integration", "integration", "int_consent_events", "consent_event_id"),
    _derived("cleansing", "cleansing", "standardised_records", "record_id"),
    _derived("cleansing", "resolution", "memberships", "record_id"),
    _derived("cleansing", "resolution", "customer_ids", "customer_id"),
    _derived("cleansing", "resolution", "id_events", "event_id"),
    _derived("cleansing", "resolution", "review_queue", "record_id_l", "record_id_r"),
    _derived("cleansing", "cleansing", "golden_customers", "customer_id"),
    _derived("storage", "marts", "dim_customer", "customer_id"),
    _derived("storage", "marts", "fct_orders", "order_id"),
    _derived("storage", "marts", "fct_interactions", "interaction_id"),
    _derived("storage", "marts", "fct_consent", "customer_id", "purpose", "channel"),
    _derived("storage", "marts", "customer_360", "customer_id"),
)


def raw_gate(contract: "Contract", table: "Table") -> GatedTable:
    """The gate of a raw table; its suite comes from the contract."""
    return GatedTable(
        stage="collection",
        schema="raw",
        table=table.raw_name,
        key=tuple(column.name for column in table.keys),
        module="expectations.suites.raw",
        scope="load_date",
        owed_rows=contract.delivery == "snapshot" and contract.daily,
        expects_rows=contract.daily,
    )


def gates(stage: Stage, contracts: "Iterable[Contract]" = ()) -> tuple[GatedTable, ...]:
    """The gated tables of a stage; those of collection follow from the contracts of the active sources."""
    if stage == "collection":
        return tuple(raw_gate(contract, table) for contract in contracts for table in contract.tables)
    return tuple(gate for gate in DERIVED_GATES if gate.stage == stage)


def gate_of(schema: str, table: str) -> GatedTable | None:
    """The gate of a table that is made inside the warehouse, or None when it has none."""
    return next((gate for gate in DERIVED_GATES if (gate.schema, gate.table) == (schema, table)), None)

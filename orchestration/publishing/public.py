"""The public file: the tables that dbt marks `public`, when nobody in them stands alone.

Belongs here: which tables are public, withholding small groups, and the check of k before the file is swapped in. Does
not belong here: measuring (`k_anonymity.py`), or writing the file (`database.py`).

A public table shows no token: a token is the same in every row and every file of its period, and so singles a person
out. The check is made on the built file, apart from what withheld the small groups.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from orchestration.publishing.analytics import published_column
from orchestration.publishing.columns import PrivacyRule, TableText, column_rule, meta_of, published_nodes, quote
from orchestration.publishing.database import (
    Origin,
    PublishedColumn,
    PublishedFile,
    PublishedTable,
    require_warehouse,
    table_path,
    warehouse_columns,
    write_database,
)
from orchestration.publishing.errors import PublishingError
from orchestration.publishing.k_anonymity import (
    Anonymity,
    PublicTable,
    is_quasi_identifier,
    measure,
    parse_public,
    require,
    with_withheld,
    withhold,
)
from orchestration.publishing.leaks import require_no_leak
from orchestration.warehouse import connect

FILE_NAME = "public.duckdb"
FILE_MODE = 0o644
"""Everybody may read it: that is what it is for."""


@dataclass(frozen=True)
class PublicPlan:
    """A table marked public: how, its columns' privacy words, and which of them are quasi-identifiers."""

    name: str
    public: PublicTable
    rules: Mapping[str, PrivacyRule]
    quasi_identifiers: tuple[str, ...]


def public_tables(manifest_path: Path) -> list[PublicPlan]:
    """The tables of marts and analysis that dbt marks `meta: {public: ...}`.

    Raises:
        PublishingError: a mark, or a privacy word of such a table, is not fit for a public table.
    """
    plans = []
    for table, node in published_nodes(manifest_path):
        public = parse_public(meta_of(node).get("public"), table)
        if public is not None:
            plans.append(plan_public(table, public, {name: meta_of(c) for name, c in node.get("columns", {}).items()}))
    return plans


def plan_public(table: str, public: PublicTable, columns: Mapping[str, Mapping[str, Any]]) -> PublicPlan:
    """See that a table can be public.

    Args:
        columns: each column's dbt meta: `privacy`, and `quasi_identifier` where its name does not tell.

    Raises:
        PublishingError: a column would be shown as a token, or what the mark names is no such column.
    """
    rules = {name: column_rule(name, meta.get("privacy"), table) for name, meta in columns.items()}
    tokens = sorted(name for name, rule in rules.items() if rule.action == "token")
    if tokens:
        raise PublishingError(
            f"{table} is marked public and shows {', '.join(tokens)} as tokens. A token singles a person out: use drop, or "
            "take the mark away."
        )
    quasi = tuple(
        name for name, rule in rules.items() if is_quasi_identifier(name, rule, columns[name].get("quasi_identifier"))
    )
    if wrong := sorted(set(public.generalise) - set(quasi)):
        raise PublishingError(
            f"{table} is to generalise {', '.join(wrong)}, which is none of its quasi-identifiers ({', '.join(quasi)})."
        )
    if public.people is not None and (public.people not in rules or public.people in quasi):
        raise PublishingError(f"{table} counts its people in {public.people}, which is no countable column of it.")
    return PublicPlan(table, public, rules, quasi)


def publish_public(
    warehouse: Path,
    published: Path,
    plans: Sequence[PublicPlan],
    required_k: int,
    tables: Mapping[str, TableText] | None = None,
    *,
    load_date: date | None = None,
    threads: int | None = None,
    memory_limit: str | None = None,
) -> PublishedFile | None:
    """Write `public.duckdb`: the tables marked public, each k-anonymous by the configured k.

    Args:
        warehouse: the working DuckDB file.
        published: the folder of published files.
        plans: as `public_tables` reads them. Without any, a file published before is withdrawn.
        required_k: least number of people who share any combination of quasi-identifiers.
        tables: descriptions, which become comments.
        load_date: the newest day of data, kept in `meta.publication`.

    Returns:
        What was published; None when nothing is marked public.

    Raises:
        SmallGroupsError: a table has smaller groups, and is not to withhold them.
        LeakError: a value that must not be shown was found in the new file.
        PublishingError: a table does not exist, or DuckDB or the disk failed. The old file is unchanged.
    """
    require_warehouse(warehouse)
    if not plans:
        (published / FILE_NAME).unlink(missing_ok=True)
        return None
    texts = tables or {}
    withheld: dict[str, int] = {}
    with connect(warehouse, threads=threads, memory_limit=memory_limit) as connection:
        found = warehouse_columns(connection)
        shown = []
        for number, plan in enumerate(plans):
            work = f"temp.publishing_public_{number}"
            try:
                withheld[plan.name] = _prepare(connection, plan, dict(found.get(plan.name, [])), work, required_k)
            except duckdb.Error as error:
                raise PublishingError(
                    f"{FILE_NAME} could not be built of {plan.name}: {error}. The old one stays."
                ) from error
            columns = tuple(
                PublishedColumn(name, None if rule.action == "drop" else quote(name), rule.word, rule.note())
                for name, rule in plan.rules.items()
            )
            shown.append(PublishedTable(plan.name, columns, work, texts.get(plan.name, TableText())))

        def check(con: duckdb.DuckDBPyConnection, database: str, built: Sequence[PublishedTable]) -> list[Anonymity]:
            require_no_leak(con, database, built)
            return [_checked(con, database, plan, required_k, withheld[plan.name]) for plan in plans]

        try:
            return write_database(
                connection, published / FILE_NAME, shown, Origin(load_date=load_date), mode=FILE_MODE, check=check
            )
        finally:
            for number in range(len(plans)):
                connection.execute(f"drop table if exists temp.publishing_public_{number}")


def _prepare(
    connection: duckdb.DuckDBPyConnection, plan: PublicPlan, types: Mapping[str, str], work: str, required: int
) -> int:
    """Make a table of what may be shown, and withhold small groups if that is wanted. Returns the people left out."""
    if missing := [name for name in plan.rules if name not in types]:
        raise PublishingError(
            f"The warehouse has no {plan.name} with {', '.join(missing)}, which dbt describes. Run `kindred run`."
        )
    if unknown := [name for name in types if name not in plan.rules]:
        raise PublishingError(f"{plan.name} is marked public, and its {', '.join(unknown)} is not described by dbt.")
    shown = [published_column(plan.name, name, types[name], rule.word) for name, rule in plan.rules.items()]
    selected = ", ".join(f"{column.sql} as {quote(column.name)}" for column in shown if column.sql is not None)
    connection.execute(f"create or replace temp table {work} as select {selected} from {table_path(plan.name)}")
    if plan.public.small_groups == "refuse":
        return 0
    return withhold(connection, work, plan.quasi_identifiers, plan.public, required)


def _checked(
    connection: duckdb.DuckDBPyConnection, database: str, plan: PublicPlan, required: int, withheld: int
) -> Anonymity:
    found = measure(
        connection,
        f"{database}.{table_path(plan.name)}",
        plan.name,
        plan.quasi_identifiers,
        people=plan.public.people,
        required=required,
    )
    require(found)
    return with_withheld(found, withheld)

"""Pieces that every staging model of the scaffold shares: CTEs, keys, and columns as text or time.

Belongs here: SQL fragments. Does not belong here: which fragments a model is made of.
"""

import textwrap
from collections.abc import Iterable, Sequence

from orchestration.scaffold.plan import PlannedColumn, SourcePlan

Cte = tuple[str, str]


def as_text(column: PlannedColumn) -> str:
    """The column as text."""
    return column.name if column.logical_type == "string" else f"cast({column.name} as string)"


def as_timestamp(column: PlannedColumn) -> str:
    """The column as a timestamp; text is read by the formats that were found in it."""
    if column.logical_type == "timestamp":
        return column.name
    if column.logical_type == "date":
        return f"cast({column.name} as timestamp)"
    formats = list(column.profile.dates.formats) if column.profile.dates is not None else [""]
    return f"{{{{ parsed_time('{column.name}', {formats!r}) }}}}"


def source_key(plan: SourcePlan, *, as_string: bool = False) -> str:
    """What identifies the person: a column, the e-mail address in lower case, or the hash of the row."""
    record = plan.keys.record
    if record is None:
        return "row_hash"
    column = plan.named(record)
    if plan.keys.record_kind == "email":
        return f"lower(trim({column.name}))"
    return as_text(column) if as_string else column.name


def record_id(plan: SourcePlan) -> str:
    """The canonical record id: the source, a colon, the person's id there."""
    return f"'{plan.source}:' || {source_key(plan, as_string=True)}"


def source_cte(plan: SourcePlan) -> Cte:
    """The raw table under its own name."""
    return plan.table, f"select * from {{{{ source('raw', '{plan.source}__{plan.table}') }}}}"


def row_hash_cte(plan: SourcePlan, relation: str) -> Cte:
    """The rows with a key of all that they hold."""
    columns = _listed(column.name for column in plan.columns)
    return (
        f"keyed_{plan.table}",
        "-- The file has no key: a row is known by all that it holds.\n"
        f"select\n    *,\n    {{{{ surrogate_id([{columns}]) }}}} as row_hash\nfrom {relation}",
    )


def record_version(plan: SourcePlan) -> PlannedColumn | None:
    """The column that orders what is known of a person: of the row's changes, or of their orders."""
    if plan.version is not None:
        return plan.named(plan.version)
    ordered = plan.fed().get("ordered_at") if "orders" in plan.feeds else None
    return ordered if ordered is not None and ordered.logical_type in ("date", "timestamp") else None


def versions_cte(
    plan: SourcePlan, relation: str, name: str, key: str, compared: Sequence[str], version: PlannedColumn | None
) -> Cte:
    """The latest version of each key, by the version column, or by the day that it landed."""
    quoted_key = repr(key)
    if plan.delivery == "snapshot":
        body = f"{{{{ latest_snapshot('{relation}', {quoted_key}, [{_listed(compared)}]) }}}}"
    else:
        latest = version.name if version is not None else "_load_date"
        body = f"{{{{ latest_delta('{relation}', {quoted_key}, '{latest}') }}}}"
    return name, body


def _listed(names: Iterable[str]) -> str:
    """Names in quotes, in lines of their own."""
    lines = textwrap.wrap(", ".join(f"'{name}'" for name in names), 100)
    return "\n" + "\n".join(f"    {line}" for line in lines) + "\n"


def render_model(plan: SourcePlan, sentence: str, ctes: Sequence[Cte]) -> str:
    """A model of CTEs, ended by a select from the last of them."""
    blocks = [f"{name} as (\n\n{_indented(body)}\n\n)" for name, body in ctes]
    return (
        f"{{{{ config(enabled = source_is_active('{plan.source}')) }}}}\n\n"
        f"-- {sentence}\n-- Written by `kindred source add`; from here on it is yours to edit.\n"
        "with\n\n" + ",\n\n".join(blocks) + f"\n\nselect * from {ctes[-1][0]}\n"
    )


def _indented(body: str) -> str:
    return "\n".join(f"    {line}" if line else line for line in body.splitlines())

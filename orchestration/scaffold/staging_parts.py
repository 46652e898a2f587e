"""Pieces that every staging model of the scaffold shares: CTEs, keys, and columns as text or time.

Belongs here: SQL fragments. Does not belong here: which fragments a model is made of.
"""

import textwrap
from collections.abc import Iterable, Sequence

from orchestration.scaffold.columns import PlannedColumn
from orchestration.scaffold.plan import SourcePlan

Cte = tuple[str, str]


def as_text(column: PlannedColumn) -> str:
    """The column as text."""
    return column.name if column.logical_type == "string" else f"cast({column.name} as string)"


def as_timestamp(column: PlannedColumn) -> str:
    """The column as a timestamp in UTC; text is read by the formats that were found in it."""
    if column.logical_type == "date":
        return f"cast({column.name} as timestamp)"
    read, macro = column.name, ""
    if column.epoch is not None:
        macro = f"epoch_time('{column.name}', '{column.epoch}')"
    elif column.logical_type != "timestamp":
        formats = list(column.profile.dates.formats) if column.profile.dates is not None else [""]
        macro = f"parsed_time('{column.name}', {formats!r})"
    if column.zone is not None:
        return f"{{{{ utc_of({macro or repr(read)}, '{column.zone}') }}}}"
    return f"{{{{ {macro} }}}}" if macro else read


def source_key(plan: SourcePlan, *, as_string: bool = False) -> str:
    """What identifies the person: a column, the e-mail address in lower case, a visitor, or the hash of the row."""
    record = plan.keys.record
    if plan.keys.record_kind == "visitor":
        return visitor_key(plan)
    if record is None:
        return "row_hash"
    column = plan.named(record)
    if plan.keys.record_kind == "email":
        return f"lower(trim({column.name}))"
    return as_text(column) if as_string else column.name


def visitor_key(plan: SourcePlan) -> str:
    """Who did an event: the signed-in user (u-), else the browser (a-) once it said who is behind it, else the address.

    These are the ids of `stg_web__customer_records`, by which privacy requests find the rows (`privacy.links`).
    """
    events = plan.readings["customer_events"].columns
    said = said_of_person(plan)
    branches = []
    if "user" in events:
        user = as_text(plan.named(events["user"]))
        prefix = "" if plan.people is not None else "'u-' || "
        branches.append(f"    when {{{{ blank_to_null({user!r}) }}}} is not null then {prefix}{user}")
    if plan.people is None and "visitor" in events and said:
        visitor = as_text(plan.named(events["visitor"]))
        branches.append(f"    when {said} is not null then 'a-' || {visitor}")
    elif plan.people is None and "email" in plan.fed():
        email = as_text(plan.fed()["email"])
        branches.append(f"    when {{{{ blank_to_null({email!r}) }}}} is not null then lower(trim({email}))")
    if not branches:
        return "cast(null as string)"
    return "\n".join(["case", *branches, "end"])


def said_of_person(plan: SourcePlan) -> str:
    """SQL that is null where a row says nothing of a person; empty when no column could."""
    fed = plan.fed()
    names = [as_text(fed[n]) for n in ("email", "phone", "full_name", "given_name", "family_name") if n in fed]
    return "" if not names else names[0] if len(names) == 1 else f"coalesce({', '.join(names)})"


def record_id(plan: SourcePlan) -> str:
    """The canonical record id: the source, a colon, the person's id there."""
    key = source_key(plan, as_string=True)
    return f"'{plan.people or plan.source}:' || {key}"


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
    if plan.observed:
        return None
    ordered = plan.fed().get("ordered_at") if "orders" in plan.feeds else None
    return ordered if ordered is not None and ordered.logical_type in ("date", "timestamp") else None


def seen_column(plan: SourcePlan) -> PlannedColumn | None:
    """The column that tells when a row was true: of its last change, or of what it observes."""
    for reading in plan.readings.values():
        if plan.observed:
            times = reading.times
            when = times.get("updated_at") or times.get("occurred_at") or times.get("created_at")
            return plan.named(when) if when is not None else None
    return plan.named(plan.version) if plan.version is not None else None


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

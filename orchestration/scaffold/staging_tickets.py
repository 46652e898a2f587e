"""The staging model of support tickets: states, channels and satisfaction in the words of the canonical ticket.

Belongs here: mapping what a file says of tickets. Does not belong here: who asked (see `staging_parts.source_key`).
"""

from orchestration.scaffold.plan import SourcePlan
from orchestration.scaffold.role_columns import RoleReading
from orchestration.scaffold.role_words import meaning_sql
from orchestration.scaffold.staging_parts import (
    as_text,
    as_timestamp,
    record_id,
    render_model,
    source_cte,
    versions_cte,
)


def tickets_sql(plan: SourcePlan) -> str:
    """The model of tickets: the latest version of each."""
    reading = plan.readings["support_tickets"]
    ticket = as_text(plan.named(reading.columns["id"]))
    names = [column.name for column in plan.columns]
    version = plan.named(plan.version) if plan.version is not None else None
    ctes = [
        source_cte(plan),
        versions_cte(plan, plan.table, f"latest_{plan.table}", ticket, names, version),
    ]
    created = as_timestamp(plan.named(reading.columns["created_at"]))
    updated = reading.columns.get("updated_at")
    lines = {
        "ticket_id": f"'{plan.source}:' || {ticket}",
        "record_id": record_id(plan),
        "created_at": created,
        "updated_at": f"coalesce({as_timestamp(plan.named(updated))}, {created})" if updated is not None else created,
        "channel": _word(
            plan, reading, "channel", "ticket_channel", "coalesce(nullif({word}, ''), 'other')", "'other'"
        ),
        "status": _word(plan, reading, "status", "ticket_status", "'open'", "'open'"),
        "subject": as_text(plan.named(reading.columns["subject"]))
        if "subject" in reading.columns
        else "cast(null as string)",
        "satisfaction": _satisfaction(plan, reading),
        "source": f"'{plan.source}'",
        "load_date": "_load_date",
    }
    selected = ",\n".join(
        f"{_indented(text)}" + ("" if text == name else f" as {name}") for name, text in lines.items()
    )
    where = f"\nwhere {{{{ blank_to_null({ticket!r}) }}}} is not null"
    ctes.append(("support_tickets", f"select\n{selected}\nfrom latest_{plan.table}{where}"))
    return render_model(plan, "One row per support ticket.", ctes)


def _word(plan: SourcePlan, reading: RoleReading, attribute: str, kind: str, otherwise: str, without: str) -> str:
    column = reading.columns.get(attribute)
    return without if column is None else meaning_sql(kind, as_text(plan.named(column)), otherwise)


def _satisfaction(plan: SourcePlan, reading: RoleReading) -> str:
    """One to five: a number within these, or a word; anything else (offered, unrated, a percentage) is no rating."""
    column = reading.columns.get("satisfaction")
    if column is None:
        return "cast(null as integer)"
    text = as_text(plan.named(column))
    number = f"try_cast({text} as double)"
    words = meaning_sql("satisfaction", text, "null").replace("\n", "\n    ")
    return (
        f"case\n    when {number} between 1 and 5 then cast(round({number}) as integer)\n"
        f"    else cast(\n        {words.replace(chr(10), chr(10) + '    ')} as integer\n    )\nend"
    )


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())

"""The staging model of web and app events: names, channels and amounts in the words of the canonical event.

Belongs here: mapping what a file says of events. Does not belong here: who did it (see `staging_parts.visitor_key`).
"""

from orchestration.scaffold.plan import SourcePlan
from orchestration.scaffold.role_columns import RoleReading
from orchestration.scaffold.role_flags import currency_known
from orchestration.scaffold.role_words import meaning_sql
from orchestration.scaffold.staging_orders import amount
from orchestration.scaffold.staging_parts import (
    as_text,
    as_timestamp,
    record_id,
    render_model,
    row_hash_cte,
    source_cte,
)

# Further columns that go into the event's properties: enough for a reader, few enough for a row.
_MOST_PROPERTIES = 40


def events_sql(plan: SourcePlan) -> str:
    """The model of events: each once, however often it was sent."""
    reading = plan.readings["customer_events"]
    relation, ctes = plan.table, [source_cte(plan)]
    identity = reading.columns.get("id")
    key = as_text(plan.named(identity)) if identity is not None else "row_hash"
    if identity is None or identity.filled < identity.rows:
        ctes.append(row_hash_cte(plan, relation))
        relation = f"keyed_{plan.table}"
        key = f"coalesce({key}, row_hash)" if identity is not None else key
    ctes.append((
        f"distinct_{plan.table}",
        "-- Collectors send an event again when they got no answer.\n"
        f"{{{{ latest_delta('{relation}', {key!r}, '_load_date') }}}}",
    ))  # fmt: skip
    lines = {
        "event_id": f"'{plan.source}:' || {key}",
        "record_id": record_id(plan),
        "event_type": _event_type(plan, reading),
        "channel": _channel(plan, reading),
        "occurred_at": as_timestamp(plan.named(reading.columns["occurred_at"])),
        **_money(plan, reading),
        "properties": _properties(plan, reading),
        "source": f"'{plan.source}'",
        "anonymous_id": _id(plan, reading, "visitor"),
        "device_id": _id(plan, reading, "device"),
        "load_date": "_load_date",
    }
    selected = ",\n".join(_indented(text) + ("" if text == name else f" as {name}") for name, text in lines.items())
    # Of a snapshot every day counts: an event does not cease to have happened.
    ctes.append(("customer_events", f"select\n{selected}\nfrom distinct_{plan.table}"))
    return render_model(plan, "One row per event.", ctes)


def _event_type(plan: SourcePlan, reading: RoleReading) -> str:
    name, kind = reading.columns.get("name"), reading.columns.get("kind")
    if name is None:
        assert kind is not None
        return meaning_sql("event_names", as_text(plan.named(kind)), "{word}")
    named = meaning_sql("event_names", as_text(plan.named(name)), "{word}")
    if kind is None:
        return named
    text = as_text(plan.named(kind))
    calls = meaning_sql("event_names", text, "{word}", only=("page_viewed",))
    return f"case\n    when lower(trim({text})) = 'track'\n        then\n{_indented(named, 3)}\n    else\n{_indented(calls, 2)}\nend"


def _channel(plan: SourcePlan, reading: RoleReading) -> str:
    column = reading.columns.get("platform")
    return "'web'" if column is None else meaning_sql("platforms", as_text(plan.named(column)), "'web'")


def _money(plan: SourcePlan, reading: RoleReading) -> dict[str, str]:
    column, currency = reading.columns.get("amount"), reading.columns.get("currency")
    if column is None or not currency_known(reading):
        return {"amount": "cast(null as decimal(12, 2))", "currency": "cast(null as string)"}
    value = amount(plan.named(column))
    if "currency" in reading.constants:
        said = f"'{reading.constants['currency']}'"
    else:
        assert currency is not None
        said = f"upper(trim({as_text(plan.named(currency))}))"
    return {"amount": value, "currency": f"case\n    when {value} is not null\n        then {said}\nend"}


def _properties(plan: SourcePlan, reading: RoleReading) -> str:
    """The columns that are nothing else and say nothing of a person, as one object."""
    columns = [c for c in plan.columns if c.profile.position not in reading.used and c.classification == "internal"]
    if not columns:
        return "cast(null as {{ type_json() }})"
    members = ", ".join(f"'{column.name}': '{column.name}'" for column in columns[:_MOST_PROPERTIES])
    return f"{{{{ json_object_of({{{members}}}) }}}}"


def _id(plan: SourcePlan, reading: RoleReading, attribute: str) -> str:
    column = reading.columns.get(attribute)
    if column is None:
        return "cast(null as string)"
    return f"{{{{ blank_to_null({as_text(plan.named(column))!r}) }}}}"


def _indented(text: str, steps: int = 1) -> str:
    return "\n".join(f"{'    ' * steps}{line}" for line in text.splitlines())

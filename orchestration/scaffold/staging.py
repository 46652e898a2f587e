"""The staging models of a source: SQL that maps its raw table onto the canonical shapes, and the YAML that describes it.

Belongs here: rendering a plan as dbt files. Does not belong here: decisions (see `plan`), and orders (`staging_orders`).
"""

from collections.abc import Callable, Mapping

from orchestration.scaffold.columns import PlannedColumn
from orchestration.scaffold.plan import SourcePlan
from orchestration.scaffold.semantics import IDENTIFIERS
from orchestration.scaffold.staging_consent import consent_sql
from orchestration.scaffold.staging_events import events_sql
from orchestration.scaffold.staging_observed import observed_ctes
from orchestration.scaffold.staging_orders import orders_sql
from orchestration.scaffold.staging_parts import (
    as_text,
    as_timestamp,
    record_id,
    record_version,
    render_model,
    row_hash_cte,
    seen_column,
    source_cte,
    source_key,
    versions_cte,
)
from orchestration.scaffold.staging_tickets import tickets_sql

RECORD_COLUMNS = (
    "record_id", "source", "source_record_id", "given_name", "middle_name", "family_name", "birth_date", "gender",
    "email", "phone", "street", "unit", "city", "region", "postcode", "country", "national_id", "updated_at",
    "load_date", "first_load_date",
)  # fmt: skip
IDENTIFIER_COLUMNS = ("record_id", "identifier_type", "identifier", "first_seen_at", "last_seen_at")
ORDER_COLUMNS = (
    "order_id", "record_id", "ordered_at", "updated_at", "status", "channel", "currency", "amount", "items", "source",
    "load_date",
)  # fmt: skip
CONSENT_COLUMNS = (
    "consent_event_id", "record_id", "purpose", "channel", "status", "legal_basis", "occurred_at", "method", "source",
    "load_date",
)  # fmt: skip
TICKET_COLUMNS = (
    "ticket_id", "record_id", "created_at", "updated_at", "channel", "status", "subject", "satisfaction", "source",
    "load_date",
)  # fmt: skip
EVENT_COLUMNS = (
    "event_id", "record_id", "event_type", "channel", "occurred_at", "amount", "currency", "properties", "source",
    "anonymous_id", "device_id", "load_date",
)  # fmt: skip
# What each role's model is made of: its SQL, what a row of it is, its columns, and where their descriptions differ.
_ROLES: dict[str, tuple[Callable[[SourcePlan], str], str, tuple[str, ...], dict[str, str]]] = {
    "customer_records": (
        lambda plan: records_sql(plan), "One row per customer record of {source}, in its latest version.", RECORD_COLUMNS, {},
    ),
    "record_identifiers": (
        lambda plan: identifiers_sql(plan), "One row per customer record of {source} and further identifier.",
        IDENTIFIER_COLUMNS, {},
    ),
    "orders": (
        orders_sql, "One row per order of {source}, in its latest version.", ORDER_COLUMNS,
        {"status": "order_status", "channel": "order_channel"},
    ),
    "consent_events": (
        consent_sql, "One row per answer to a question of consent in {source}.", CONSENT_COLUMNS,
        {"status": "consent_status", "channel": "consent_channel"},
    ),
    "support_tickets": (
        tickets_sql, "One row per support ticket of {source}, in its latest version.", TICKET_COLUMNS,
        {"status": "ticket_status", "channel": "ticket_channel"},
    ),
    "customer_events": (
        events_sql, "One row per event of {source}, repeated deliveries counted once.", EVENT_COLUMNS,
        {"channel": "event_channel", "amount": "event_amount"},
    ),
}  # fmt: skip
_PLAIN = ("middle_name", "gender", "email", "phone", "unit", "city", "region", "postcode", "country", "national_id")


def staging_files(plan: SourcePlan) -> dict[str, str]:
    """File name to text, for the folder `models/staging/<source>`."""
    from orchestration.scaffold.staging_tests import unit_tests

    source = plan.source
    files = {f"stg_{source}__{role}.sql": _ROLES[role][0](plan) for role in plan.feeds}
    files[f"_{source}__models.yml"] = _models_yml(plan)
    tests = unit_tests(plan)
    if tests is not None:
        files[f"_{source}__unit_tests.yml"] = tests
    return files


def records_sql(plan: SourcePlan) -> str:
    """The model of customer records: the latest version of each, in the canonical columns."""
    fed = plan.fed()
    ctes = [source_cte(plan)]
    relation = plan.table
    if plan.observed:
        ctes += observed_ctes(plan)
    else:
        if plan.keys.by_row:
            ctes.append(row_hash_cte(plan, relation))
            relation = f"keyed_{plan.table}"
        key, compared = source_key(plan), compared_columns(plan)
        ctes.append(versions_cte(plan, relation, f"latest_{plan.table}", key, compared, record_version(plan)))
    relation = f"latest_{plan.table}"
    if "full_name" in fed:
        ctes.append(_named_cte(fed["full_name"], relation))
        relation = "named_records"
    expressions: dict[str, str] = {
        "record_id": f"'{plan.source}:' || record_key" if plan.observed else record_id(plan),
        "source": f"'{plan.source}'",
        "source_record_id": "record_key" if plan.observed else source_key(plan, as_string=True),
        **record_expressions(plan),
        "load_date": "_load_date",
        "first_load_date": "first_load_date",
    }
    records = _select(expressions, RECORD_COLUMNS, relation)
    gaps = plan.keys.record is not None and plan.keys.record.filled < plan.keys.record.rows
    if gaps and not plan.observed:
        records += f"\nwhere {source_key(plan)} is not null"
    ctes.append(("records", records))
    return render_model(plan, "One row per customer record, in its latest version.", ctes)


def record_expressions(plan: SourcePlan) -> dict[str, str]:
    """SQL of the canonical attributes between the ids and the load dates, over the raw columns."""
    fed = plan.fed()
    expressions = {name: as_text(fed[name]) for name in _PLAIN if name in fed}
    for name, values in plan.losses.placeholders.items():
        if name in expressions:
            listed = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
            # Known placeholders: left in, they would count as loss in cleansing and stop the run at its gate.
            expressions[name] = _case(f"trim({expressions[name]}) not in ({listed})", expressions[name])
    if plan.losses.country is not None:
        expressions["country"] = f"'{plan.losses.country}'"
    for name in ("given_name", "family_name"):
        part = as_text(fed[name]) if name in fed else None
        if "full_name" not in fed:
            if part:
                expressions[name] = part
            continue
        split = f"{{{{ {name}_of('split_name') }}}}"
        if part is None:
            other = "family_name" if name == "given_name" else "given_name"
            expressions[name] = _case(f"{as_text(fed[other])} is null", split) if other in fed else split
        else:
            parts = ", ".join(as_text(fed[n]) for n in ("given_name", "family_name") if n in fed)
            expressions[name] = _case(f"coalesce({parts}) is null", split, part)
    if "full_name" in fed and "middle_name" not in fed and not {"given_name", "family_name"} & set(fed):
        expressions["middle_name"] = "{{ middle_name_of('split_name') }}"
    if "birth_date" in fed or "birth_year" in fed:
        expressions["birth_date"] = _birth_date(fed)
    street = _street(fed)
    if street:
        expressions["street"] = street
    expressions["updated_at"] = _updated_at(plan)
    return expressions


def _case(condition: str, then: str, otherwise: str | None = None) -> str:
    lines = ["case", f"        when {condition}", f"            then {then}"]
    if otherwise is not None:
        lines.append(f"        else {otherwise}")
    return "\n".join([*lines, "    end"])


def compared_columns(plan: SourcePlan) -> list[str]:
    """The columns whose change counts as an edit of the person, in a snapshot."""
    personal = [c.name for c in plan.columns if c.classification in ("personal", "restricted")]
    return personal or [c.name for c in plan.columns]


def identifiers_sql(plan: SourcePlan) -> str:
    """The model of further identifiers: each with the record, first and last time that it was seen."""
    fed = plan.fed()
    relation, ctes = plan.table, [source_cte(plan)]
    if plan.keys.by_row:
        ctes.append(row_hash_cte(plan, relation))
        relation = f"keyed_{plan.table}"
    names = [name for name in IDENTIFIERS if name in fed and fed[name].profile != plan.keys.record]
    record = record_id(plan).replace("\n", "\n    ")
    moment = seen_column(plan)
    seen = as_timestamp(moment) if moment is not None else "cast(_load_date as timestamp)"
    selects = [
        f"select\n"
        f"    {record} as record_id,\n"
        f"    '{name}' as identifier_type,\n"
        f"    {as_text(fed[name])} as identifier,\n"
        f"    coalesce({seen}, cast(_load_date as timestamp)) as seen_at\n"
        f"from {relation}\n"
        f"where {as_text(fed[name])} is not null"
        for name in names
    ]
    ctes.append(("sightings", "\n\nunion all\n\n".join(selects)))
    # What a record no longer is (it left the snapshot, a gate holds it back) has no identifiers either.
    model = f"stg_{plan.source}__customer_records"
    ctes.insert(1, ("records", f"select * from {{{{ ref('{model}') }}}}"))
    ctes.append((
        "record_identifiers",
        "select\n    sightings.record_id,\n    sightings.identifier_type,\n    sightings.identifier,\n"
        "    min(sightings.seen_at) as first_seen_at,\n    max(sightings.seen_at) as last_seen_at\n"
        "from sightings\ninner join records\n    on sightings.record_id = records.record_id\ngroup by 1, 2, 3",
    ))  # fmt: skip
    return render_model(plan, "One row per customer record and identifier.", ctes)


def _named_cte(full_name: PlannedColumn, relation: str) -> tuple[str, str]:
    return (
        "named_records",
        f"select\n    *,\n    {{{{ name_text('{full_name.name}') }}}} as split_name\nfrom {relation}",
    )


def _birth_date(fed: Mapping[str, PlannedColumn]) -> str:
    if "birth_date" in fed:
        column = fed["birth_date"]
        if column.logical_type == "date":
            parsed = column.name
        elif column.logical_type == "timestamp":
            parsed = f"cast({column.name} as date)"
        else:
            formats = list(column.profile.dates.formats) if column.profile.dates is not None else [""]
            parsed = f"cast({{{{ parsed_time('{column.name}', {formats!r}) }}}} as date)"
        if column.profile.dates is not None and column.profile.dates.short_years:
            century = f"cast({{{{ dbt.dateadd('year', -100, {parsed!r}) }}}} as date)"
            return _case(f"{parsed} > _load_date", century, parsed)
        return parsed
    parts = [_whole(fed["birth_year"])]
    if {"birth_month", "birth_day"} <= set(fed):
        parts += [f"lpad({_whole(fed[name])}, 2, '0')" for name in ("birth_month", "birth_day")]
    else:
        parts += ["'01'", "'01'"]
    joined = "\n        || '-' || ".join(parts)
    return f"try_cast(\n        {joined}\n        as date\n    )"


def _whole(column: PlannedColumn) -> str:
    """Text of a whole number, without the fraction that spreadsheets and data frames put behind it."""
    if column.logical_type == "integer":
        return f"cast({column.name} as string)"
    return f"split_part({as_text(column)}, '.', 1)"


def _street(fed: Mapping[str, PlannedColumn]) -> str | None:
    street = fed.get("street") or fed.get("full_address")
    number, extra = fed.get("house_number"), fed.get("street_extra")
    parts = [street] if street else []
    if number is not None and street is not None:
        # The number stands where the file has it: before the street in English, behind it in German.
        before = number.profile.position < street.profile.position
        parts = [number, street] if before else [street, number]
    if extra is not None:
        parts.append(extra)
    if not parts:
        return None
    if len(parts) == 1:
        return as_text(parts[0])
    return f"nullif(concat_ws(' ', {', '.join(as_text(part) for part in parts)}), '')"


def _updated_at(plan: SourcePlan) -> str:
    landed = "cast(_load_date as timestamp)"
    if plan.observed:
        return f"coalesce(observed_at, {landed})"
    version = record_version(plan)
    known = [as_timestamp(version)] if version is not None else []
    if plan.delivery == "snapshot":
        known += ["cast(changed_on as timestamp)"]
        landed = "cast(first_load_date as timestamp)"
    return f"coalesce({', '.join([*known, landed])})" if known else landed


def _select(expressions: Mapping[str, str], columns: tuple[str, ...], relation: str) -> str:
    lines = []
    for name in columns:
        empty = "date" if name == "birth_date" else "timestamp" if name == "updated_at" else "string"
        expression = expressions.get(name, f"cast(null as {empty})")
        lines.append(f"    {expression}" + ("" if expression == name else f" as {name}"))
    return "select\n" + ",\n".join(lines) + f"\nfrom {relation}"


def _models_yml(plan: SourcePlan) -> str:
    source = plan.source
    lines = [
        "version: 2",
        "",
        "# Keys and relations are tested once, on the tables of models/integration that these views feed; the mapping is tested",
        f"# in _{source}__unit_tests.yml.",
        "models:",
    ]
    for role in plan.feeds:
        _, sentence, columns, docs = _ROLES[role]
        lines += [f"  - name: stg_{source}__{role}", "    description: >", f"      {sentence.format(source=source)}"]
        lines.append("    columns:")
        for column in columns:
            lines += [
                f"      - name: {column}",
                f"        description: \"{{{{ doc('{docs.get(column, column)}') }}}}\"",
            ]
        lines.append("")
    return "\n".join(lines[:-1]) + "\n"

"""Customer records of a file whose rows are observations: what its tickets, events or answers told of each person.

Belongs here: bringing the observations of one person together. Does not belong here: the canonical columns (`staging`).
"""

from orchestration.scaffold.plan import SourcePlan
from orchestration.scaffold.staging_parts import Cte, as_timestamp, said_of_person, seen_column, source_key

# Meanings that are none of the person's attributes.
_NOT_OF_PERSON = ("updated_at", "created_at", "user_id", "anonymous_id", "device_id")


def observed_ctes(plan: SourcePlan) -> list[Cte]:
    """CTEs that end in `latest_<table>`: one row per `record_key`, each column with the last value that was told."""
    table = plan.table
    key = source_key(plan, as_string=True)
    moment = seen_column(plan)
    observed_at = as_timestamp(moment) if moment is not None else "cast(null as timestamp)"
    conditions = ["trim(record_key) <> ''"]
    said = said_of_person(plan)
    if plan.keys.record_kind == "visitor" and said:
        # A visitor is a customer record once an event says something of the person.
        conditions.append(f"{said} is not null")
    if plan.delivery == "snapshot":
        conditions.append("_load_date = latest_load_date")
    keyed = (
        "select\n    *,\n"
        + _indented(f"{key} as record_key,\n{observed_at} as observed_at,\nmax(_load_date) over () as latest_load_date")
        + f"\nfrom {table}"
    )
    where = "\n    and ".join(conditions)
    observations = (
        "select\n    *,\n    min(_load_date) over (partition by record_key) as first_load_date,\n"
        "    row_number() over (\n        partition by record_key\n"
        "        order by observed_at nulls first, _load_date, _row\n    ) as version_order\n"
        f"from keyed_{table}\nwhere {where}"
    )
    if plan.delivery == "snapshot":
        # The first day of a person may lie before the latest list.
        keyed = keyed.replace(
            "max(_load_date) over () as latest_load_date",
            f"max(_load_date) over () as latest_load_date,\n    min(_load_date) over (partition by {key}) as known_since",
        )
        observations = observations.replace(
            "min(_load_date) over (partition by record_key) as first_load_date", "known_since as first_load_date"
        )
    told = [
        column.name
        for name, column in plan.fed().items()
        if "." not in name and name not in _NOT_OF_PERSON and column.profile != plan.keys.record
    ]
    if plan.keys.record_kind == "email" and plan.keys.record is not None:
        told.append(plan.named(plan.keys.record).name)
    known = [f"    {{{{ latest_known('{name}', 'version_order') }}}} as {name}," for name in dict.fromkeys(told)]
    latest = "\n".join(
        [
            "-- Each row tells only what was known at that moment: the last value that was told counts.",
            "select",
            "    record_key,",
            *known,
            "    max(observed_at) as observed_at,",
            "    max(_load_date) as _load_date,",
            "    min(first_load_date) as first_load_date",
            f"from observed_{table}",
            "group by record_key",
        ]
    )
    return [(f"keyed_{table}", keyed), (f"observed_{table}", observations), (f"latest_{table}", latest)]


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())

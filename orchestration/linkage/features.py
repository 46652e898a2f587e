"""Matching features: the forms of a record's values that are compared and blocked on.

What belongs here: deriving them from standardised values. What does not: the private database
that this happens in (workspace.py), cleaning that people should see (orchestration.standardise),
and deciding what agreement is worth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from orchestration.linkage.forms import MAX_LENGTH, family_forms, given_forms, street_forms
from orchestration.linkage.organisations import organisation_forms
from orchestration.linkage.sql import quoted

if TYPE_CHECKING:
    import duckdb

# Attributes of a record that features are derived from. Columns named `extra_*` are further
# informative columns of any table; all others are ignored.
ATTRIBUTES = (
    "given_name", "middle_name", "family_name", "birth_date", "gender", "email", "phone",
    "street", "unit", "city", "region", "postcode", "national_id",
    "full_name", "organisation", "birth_year", "birth_month", "birth_day", "age",
)  # fmt: skip
# Further columns that were found to identify a record (several codes joined by `|`), or to have
# a handful of values, say so in their names.
EXTRA_PREFIX = "extra_"
IDENTIFIER_PREFIX = "extra_identifier__"
CATEGORY_PREFIX = "extra_category__"

FEATURES = "features"


def register_mapping(
    con: duckdb.DuckDBPyConnection,
    table: str,
    names: tuple[str, ...],
    rows: Sequence[tuple[str | None, ...]],
) -> None:
    import pyarrow as pa

    columns: list[tuple[str | None, ...]] = list(zip(*rows, strict=True)) if rows else [() for _ in names]
    arrow = pa.table({name: pa.array(list(column), pa.string()) for name, column in zip(names, columns, strict=True)})
    con.register("mapping_arrow", arrow)
    con.execute(f"create or replace table {table} as select * from mapping_arrow")
    con.unregister("mapping_arrow")


def _map_column(
    con: duckdb.DuckDBPyConnection,
    column: str,
    table: str,
    outputs: tuple[str, ...],
    function: Callable[[str], tuple[str | None, ...]],
) -> None:
    values = con.execute(f"select distinct {column} from records where {column} is not null order by 1").fetchall()
    rows = [(value, *function(value)) for (value,) in values]
    register_mapping(con, table, ("value", *outputs), rows)


def derive_features(con: duckdb.DuckDBPyConnection, extras: tuple[str, ...]) -> None:
    """Create the table `features` from `records` (`rid` and the attributes as plain lower-case text)."""
    _map_column(
        con,
        "given_name",
        "given_map",
        ("given", "given_initial", "given_root", "given_code", "generation"),
        given_forms,
    )
    _map_column(
        con,
        "family_name",
        "family_map",
        ("family", "family_code", "family_first", "family_last", "generation"),
        family_forms,
    )
    _map_column(con, "street", "street_map", ("house", "street", "unit", "postcode", "city"), street_forms)
    names = ("organisation", "organisation_names", "organisation_words", "organisation_code")
    _map_column(con, "organisation", "organisation_map", names, organisation_forms)
    compact = "nullif(regexp_replace(r.{0}, '[^a-z0-9]', '', 'g'), '')".format
    words = "nullif(trim(regexp_replace(r.{0}, '[^a-z0-9]+', ' ', 'g')), '')".format
    codes = "nullif(trim(regexp_replace(r.{0}, '[^a-z0-9|]', '', 'g'), '|'), '')".format
    extra_columns = "".join(
        f", {codes(name) if name.startswith(IDENTIFIER_PREFIX) else f'left({words(name)}, {MAX_LENGTH})'} as {quoted(name)}"
        for name in extras
    )
    con.execute(
        f"""
        create table {FEATURES} as
        with parts as (
            select
                r.rid,
                given_map.given, given_map.given_initial, given_map.given_root, given_map.given_code,
                family_map.family, family_map.family_code, family_map.family_first,
                family_map.family_last,
                coalesce(family_map.generation, given_map.generation) as generation,
                organisation_map.organisation, organisation_map.organisation_names,
                organisation_map.organisation_words, organisation_map.organisation_code,
                left({compact("middle_name")}, {MAX_LENGTH}) as middle,
                left({words("full_name")}, {MAX_LENGTH * 2}) as full_name,
                try_cast(r.birth_date as date) as born,
                try_cast(r.birth_year as integer) as year_part,
                try_cast(r.birth_month as integer) as month_part,
                try_cast(r.birth_day as integer) as day_part,
                try_cast(try_cast(r.age as double) as integer) as age,
                r.gender,
                r.email,
                nullif(regexp_replace(split_part(r.email, '@', 1), '\\+.*$', ''), '') as email_local,
                nullif(ltrim(regexp_replace(r.phone, '[^0-9]', '', 'g'), '0'), '') as phone,
                {compact("national_id")} as national_id,
                street_map.house, street_map.street,
                coalesce(
                    street_map.unit,
                    nullif(regexp_replace(regexp_replace(r.unit, '^(apt|apartment|unit|suite|ste|flat|no|nr)\\b\\.?', ''), '[^a-z0-9]', '', 'g'), '')
                ) as unit,
                left({words("unit")}, {MAX_LENGTH}) as locality,
                coalesce({compact("postcode")}, street_map.postcode) as postcode,
                coalesce(left({words("city")}, {MAX_LENGTH}), street_map.city) as city,
                left({words("region")}, {MAX_LENGTH}) as region
                {extra_columns}
            from records as r
            left join given_map on r.given_name = given_map.value
            left join family_map on r.family_name = family_map.value
            left join street_map on r.street = street_map.value
            left join organisation_map on r.organisation = organisation_map.value
        ),
        dated as (
            select
                *,
                coalesce(year(born), year_part) as birth_year,
                coalesce(month(born), month_part) as birth_month,
                coalesce(day(born), day_part) as birth_day
            from parts
        )
        select
            * exclude (born, year_part, month_part, day_part, birth_year, birth_month, birth_day),
            case when birth_month is not null and birth_day is not null then birth_year end
                as birth_year,
            case when birth_year is not null and birth_day is not null then birth_month end
                as birth_month,
            case when birth_year is not null and birth_month is not null then birth_day end
                as birth_day,
            lpad(birth_year::varchar, 4, '0') || lpad(birth_month::varchar, 2, '0')
                || lpad(birth_day::varchar, 2, '0') as birth,
            birth_month != 1 or birth_day != 1 as birth_precise,
            case when birth_month is null or birth_day is null then birth_year end
                as birth_year_only,
            house || ' ' || street as address,
            string_split(full_name, ' ') as full_name_words,
            least(given, family) || ' ' || greatest(given, family) as given_family_swapped,
            case
                when regexp_full_match(postcode, '[0-9]+') then left(postcode, 3)
                when length(postcode) >= 5 then left(postcode, -3)
                else left(postcode, 2)
            end as postcode_area
        from dated
        """
    )
    for table in ("given_map", "family_map", "street_map", "organisation_map"):
        con.execute(f"drop table {table}")

"""Standardises a whole table of customer records.

What belongs here: the order of the steps and the statement that puts the fields together.
What does not: the rules of any one field, which live in the module named after its concept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestration.standardise.address import country_code, normalised_postcode, normalised_region
from orchestration.standardise.dates import (
    FIRST_PLAUSIBLE,
    day_comes_first,
    parsed_date,
    plausible_birth_date,
)
from orchestration.standardise.email import normalised_email
from orchestration.standardise.errors import StandardiseError
from orchestration.standardise.gender import normalised_gender
from orchestration.standardise.names import proper_family_name, proper_given_name, proper_place
from orchestration.standardise.phone import e164
from orchestration.standardise.placeholders import is_placeholder
from orchestration.standardise.text import cleaned, map_distinct, needs_casing, sql_literal

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb

DEFAULT_REGION = "US"

RECORD_COLUMNS = (
    "record_id", "source", "source_record_id", "given_name", "middle_name", "family_name",
    "birth_date", "gender", "email", "phone", "street", "unit", "city", "region", "postcode",
    "country", "national_id", "updated_at", "load_date",
)  # fmt: skip

# The fields that standardisation may empty, in the order in which they are reported.
FIELDS = RECORD_COLUMNS[3:17]

_CASED: dict[str, Callable[[str], str]] = {
    "given_name": proper_given_name,
    "middle_name": proper_given_name,
    "family_name": proper_family_name,
    "street": proper_place,
    "city": proper_place,
    "region": proper_place,
}

_CLEAN = "temp.kindred_clean_records"
_TYPED = "temp.kindred_typed_records"
_PHONES = "temp.kindred_phones"
_COUNTRIES = "temp.kindred_countries"
_NAMES = "temp.kindred_cased_{field}"


def standardise_records(
    con: duckdb.DuckDBPyConnection,
    source: str,
    target: str,
    *,
    default_region: str = DEFAULT_REGION,
    earliest_birth_date: str = FIRST_PLAUSIBLE,
) -> None:
    """Create `target` with the columns of a customer record, cleaned to be read and matched.

    `source` has the canonical columns of a customer record (`birth_date` DATE or VARCHAR), one
    row per record. `target` has the same columns in the same order, `birth_date` as DATE, and
    `placeholder_fields` VARCHAR[]: the fields whose value was dropped because it stands for
    nothing or is not valid. `default_region` (ISO 3166-1 alpha-2) reads the national phone
    numbers of records without a country; `earliest_birth_date` (ISO) may be set back for records
    of people who lived long ago. Every row stays.

    Raises StandardiseError when `source` lacks a column.
    """
    types = _column_types(con, source)
    try:
        _clean(con, source, types)
        _type_fields(con, default_region, dates_are_text=types["birth_date"] == "VARCHAR")
        _write(con, target, earliest_birth_date)
    finally:
        temporary = [_CLEAN, _TYPED, _PHONES, _COUNTRIES, *(_NAMES.format(field=f) for f in _CASED)]
        for table in temporary:
            con.execute(f"drop table if exists {table}")


def _column_types(con: duckdb.DuckDBPyConnection, source: str) -> dict[str, str]:
    types = {str(row[0]): str(row[1]) for row in con.execute(f"describe {source}").fetchall()}
    missing = [column for column in RECORD_COLUMNS if column not in types]
    if missing:
        raise StandardiseError(
            f"{source}: column {', '.join(missing)} is missing; standardisation needs every "
            "column of a customer record (fill the ones that a source lacks with null)"
        )
    return types


def _clean(con: duckdb.DuckDBPyConnection, source: str, types: dict[str, str]) -> None:
    """Text cleaned and placeholders told apart; one boolean column per field."""
    selected = []
    for field in FIELDS:
        if field == "birth_date" and types[field] != "VARCHAR":
            selected.append("cast(birth_date as date) as birth_date")
        else:
            selected.append(f"{cleaned(field)} as {field}")
    flags = ", ".join(f"{is_placeholder(field, field)} as {field}_is_placeholder" for field in FIELDS)
    con.execute(
        f"""
        create or replace temp table {_CLEAN.removeprefix("temp.")} as
        with cleaned as (
            select record_id, source, source_record_id, {", ".join(selected)}, updated_at, load_date
            from {source}
        )
        select *, {flags} from cleaned
        """
    )


def _type_fields(con: duckdb.DuckDBPyConnection, default_region: str, *, dates_are_text: bool) -> None:
    """Countries, phones and dates in their standard form, invalid ones null."""
    map_distinct(
        con,
        f"""
        select distinct country from {_CLEAN}
        where country is not null and not country_is_placeholder order by 1
        """,
        _COUNTRIES,
        country_code,
    )
    map_distinct(
        con,
        f"""
        select distinct records.phone, countries.output as country
        from {_CLEAN} as records
        left join {_COUNTRIES} as countries on records.country = countries.input_1
        where records.phone is not null and not records.phone_is_placeholder
        order by all
        """,
        _PHONES,
        lambda phone, country: e164(phone, country, default_region),
    )
    for field, function in _CASED.items():
        map_distinct(
            con,
            f"""
            select distinct {field} from {_CLEAN}
            where {field} is not null and not {field}_is_placeholder and {needs_casing(field)}
            order by 1
            """,
            _NAMES.format(field=field),
            function,
        )
    day_first = dates_are_text and day_comes_first(con, _CLEAN, "birth_date")
    birth_date = parsed_date("birth_date", day_first) if dates_are_text else "birth_date"
    con.execute(
        f"""
        create or replace temp table {_TYPED.removeprefix("temp.")} as
        select *, {birth_date} as parsed_birth_date from {_CLEAN}
        """
    )


def _write(con: duckdb.DuckDBPyConnection, target: str, earliest: str) -> None:
    latest = "coalesce(records.load_date, current_date)"
    born = plausible_birth_date("records.parsed_birth_date", earliest, latest)
    # A spelled-out date may hide a default ("01/01/1900"): the parsed one is tested as well.
    born = f"case when not {is_placeholder('birth_date', 'records.parsed_birth_date')} then {born} end"
    region = normalised_region("records.region")
    values = {
        "email": normalised_email("records.email"),
        "phone": "phones.output",
        "country": "countries.output",
        "gender": normalised_gender("records.gender"),
        "birth_date": born,
        "unit": "records.unit",
        "postcode": normalised_postcode("records.postcode"),
        "national_id": "upper(records.national_id)",
        **{field: f"coalesce(cased_{field}.output, records.{field})" for field in _CASED},
        "region": f"case when length(records.region) <= 3 then {region} "
        "else coalesce(cased_region.output, records.region) end",
    }
    guarded = ",\n".join(
        f"case when not records.{field}_is_placeholder then {values[field]} end as {field}" for field in FIELDS
    )
    dropped = ", ".join(
        f"case when records.{field} is not null and standard.{field} is null then {sql_literal(field)} end"
        for field in FIELDS
    )
    joins = "\n".join(
        f"left join {_NAMES.format(field=field)} as cased_{field} on records.{field} = cased_{field}.input_1"
        for field in _CASED
    )
    con.execute(
        f"""
        create or replace table {target} as
        with standard as (
            select records.rowid as row_number, {guarded}
            from {_TYPED} as records
            left join {_COUNTRIES} as countries on records.country = countries.input_1
            left join {_PHONES} as phones
                on
                    records.phone = phones.input_1
                    and phones.input_2 is not distinct from countries.output
            {joins}
        )
        select
            records.record_id, records.source, records.source_record_id,
            {", ".join(f"standard.{field}" for field in FIELDS)},
            records.updated_at, records.load_date,
            list_filter([{dropped}], lambda field: field is not null) as placeholder_fields
        from {_TYPED} as records
        inner join standard on records.rowid = standard.row_number
        """
    )

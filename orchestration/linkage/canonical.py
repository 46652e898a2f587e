"""From a file's columns to the canonical record that the engine takes.

What belongs here: filling canonical attributes from mapped columns, taking full names apart,
telling organisations from people, and what stands beside the standard record. What does not:
reading files (reading.py), judging unmapped columns (evidence.py), cleaning values
(orchestration.standardise).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestration.linkage.columns import ColumnMapping
from orchestration.linkage.evidence import evidence_columns, split_codes
from orchestration.linkage.features import IDENTIFIER_PREFIX
from orchestration.linkage.organisations import has_legal_form, is_organisation_type
from orchestration.linkage.sql import literal, quoted, scalar_int
from orchestration.standardise import DEFAULT_REGION, RECORD_COLUMNS
from orchestration.standardise.address import country_code
from orchestration.standardise.full_names import split_full_name
from orchestration.standardise.placeholders import is_placeholder

if TYPE_CHECKING:
    import duckdb

_NAME_PARTS = "full_name_parts"
# Digits of a telephone number, without and with the country; what is shorter is an extension.
_PHONE_DIGITS = (6, 15)
_MANY_TYPES = 20


def make_canonical(con: duckdb.DuckDBPyConnection, mapping: ColumnMapping, id_column: str, source: str | None) -> None:
    """Create `canonical` from `arrived`: the columns of a customer record, and `organisation`.

    The name of an organisation is no person's name: records whose type column says so, or whose
    name has a legal form (`GmbH`), have `organisation` and no given and family name.
    """
    have = {name: f"nullif(trim({quoted(column)}), '')" for name, column in mapping.attributes.items()}
    for name, columns in mapping.further.items():
        have[name] = (
            f"coalesce({', '.join([have[name], *(f'nullif(trim({quoted(c)}), {chr(39) * 2})' for c in columns)])})"
        )

    def take(name: str) -> str:
        return have.get(name, "null::varchar")

    box = f"'PO Box ' || {have['po_box']}" if "po_box" in have else "null::varchar"
    street = f"nullif(concat_ws(' ', {take('house_number')}, {take('street')}), '')"
    _split_names(con, take("full_name"))
    separate = f"{take('given_name')} is null and {take('family_name')} is null"
    name = f"coalesce(case when {separate} then {take('full_name')} end, concat_ws(' ', {take('given_name')}, {take('family_name')}))"
    types = [is_organisation_type(quoted(column)) for column in _type_columns(con, mapping)]
    organised = " or ".join([has_legal_form(name), *types])
    nobody = f"nullif({name}, '') is null"
    values = {
        **{attribute: take(attribute) for attribute in RECORD_COLUMNS[3:17]},
        "street": f"coalesce({street}, {take('full_address')}, {box})",
        **{
            attribute: f"case when {organised} then null when {separate} then parts.kindred_{part} "
            f"{f'else {have[attribute]} ' if attribute in have else ''}end"
            for attribute, part in (("given_name", "given"), ("family_name", "family"))
        },
        "middle_name": f"case when {organised} then null when {separate} then coalesce({take('middle_name')}, parts.kindred_middle) "
        f"else {take('middle_name')} end",
    }
    selected = ",\n".join(f"{value} as {attribute}" for attribute, value in values.items())
    con.execute(
        f"""
        create table canonical as
        select
            lpad(kindred_row::varchar, 12, '0') as record_id,
            {quoted(source) if source else "'file'"} as source,
            {quoted(id_column)} as source_record_id,
            {selected},
            case when {organised} and not ({nobody}) then concat_ws(' | ', {name}, {take("organisation")})
                else {take("organisation")} end as organisation,
            null::timestamp as updated_at,
            null::date as load_date
        from arrived
        left join {_NAME_PARTS} as parts on {take("full_name")} = parts.kindred_name
        """
    )


def _split_names(con: duckdb.DuckDBPyConnection, full_name: str) -> None:
    import pyarrow as pa

    values = [
        v
        for (v,) in con.execute(
            f"select distinct {full_name} as v from arrived where v is not null order by 1"
        ).fetchall()
    ]
    parts = [split_full_name(value[:_LONGEST_NAME]) for value in values]
    columns = {
        "kindred_name": values,
        "kindred_given": [part.given for part in parts],
        "kindred_middle": [part.middle for part in parts],
        "kindred_family": [part.family for part in parts],
    }
    con.register(
        "name_parts_arrow", pa.table({name: pa.array(column, pa.string()) for name, column in columns.items()})
    )
    con.execute(f"create or replace table {_NAME_PARTS} as select * from name_parts_arrow")
    con.unregister("name_parts_arrow")


_LONGEST_NAME = 200


def _type_columns(con: duckdb.DuckDBPyConnection, mapping: ColumnMapping) -> list[str]:
    """Unmapped columns that say of some record that it is an organisation."""
    found = []
    for column in mapping.extras:
        text = quoted(column)
        kinds, organisations = con.execute(
            f"select count(distinct lower(trim({text}))), count(*) filter (where {is_organisation_type(text)}) from arrived"
        ).fetchall()[0]
        if organisations and kinds <= _MANY_TYPES:
            found.append(column)
    return found


def likely_region(con: duckdb.DuckDBPyConnection) -> str:
    """ISO 3166-1 code by which national telephone numbers are read, from the records themselves.

    The commonest country of the records; without countries, that of the numbers which are
    written with theirs when they are many; else the default.
    """
    counted: dict[str, int] = {}
    for value, records in con.execute(
        "select country, count(*) from canonical where country is not null group by all order by 2 desc, 1 limit 100"
    ).fetchall():
        code = country_code(value)
        if code:
            counted[code] = counted.get(code, 0) + int(records)
    if not counted:
        counted = _regions_of_numbers(con)
    return min(counted, key=lambda code: (-counted[code], code)) if counted else DEFAULT_REGION


def _regions_of_numbers(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    import phonenumbers

    rows = con.execute(
        "select distinct phone from canonical where regexp_matches(phone, '^(\\+|00)[1-9]') order by hash(phone), phone limit 500"
    ).fetchall()
    written = scalar_int(con, "select count(distinct phone) from canonical")
    counted: dict[str, int] = {}
    for (phone,) in rows:
        try:
            region = phonenumbers.region_code_for_number(
                phonenumbers.parse(phone.replace("00", "+", 1) if phone[0] == "0" else phone)
            )
        except phonenumbers.NumberParseException:
            continue
        if region:
            counted[region] = counted.get(region, 0) + 1
    return counted if len(rows) * 5 >= min(written, 2500) else {}


def add_further_evidence(con: duckdb.DuckDBPyConnection, mapping: ColumnMapping) -> None:
    """Create `records`: the standard record with parts of dates, full names and unmapped columns."""
    further = {
        name: f"arrived.{quoted(mapping.attributes[name])}"
        for name in ("full_name", "birth_year", "birth_month", "birth_day", "age")
        if name in mapping.attributes
    }
    if "full_name" in further and not _full_name_adds(con, further["full_name"]):
        del further["full_name"]
    if "full_name" in further:
        further["full_name"] = (
            f"coalesce(nullif(trim({further['full_name']}), ''), "
            "nullif(concat_ws(' ', standard.given_name, standard.middle_name, standard.family_name), ''))"
        )
    if scalar_int(con, "select count(organisation) from canonical"):
        further["organisation"] = "canonical.organisation"
    for attribute, columns in mapping.further.items():
        further[f"{IDENTIFIER_PREFIX}{attribute}"] = _all_codes(attribute, [mapping.attributes[attribute], *columns])
    further.update(evidence_columns(con, mapping.extras))
    listed = "".join(f", {value} as {quoted(name)}" for name, value in further.items())
    con.execute(
        f"""
        create table records as
        select standard.* replace ({_phone_or_digits()} as phone) {listed}
        from standard
        inner join canonical on standard.record_id = canonical.record_id
        inner join arrived on standard.record_id = lpad(arrived.kindred_row::varchar, 12, '0')
        """
    )


def _phone_or_digits() -> str:
    """SQL: a number that fits no plan (an area code is missing, another country) still says who wrote it."""
    digits = "regexp_replace(canonical.phone, '[^0-9]', '', 'g')"
    least, most = _PHONE_DIGITS
    usable = f"not {is_placeholder('phone', 'trim(canonical.phone)')} and length({digits}) between {least} and {most}"
    usable += f" and not {is_placeholder('phone', digits)}"
    return f"coalesce(standard.phone, case when {usable} then {digits} end)"


def _all_codes(attribute: str, columns: list[str]) -> str:
    """SQL: the values of several columns of one attribute as codes joined by `|`."""
    parts = []
    for column in columns:
        text = f"nullif(trim(arrived.{quoted(column)}), '')"
        kept = f"right(regexp_replace({text}, '[^0-9]', '', 'g'), 9)" if attribute == "phone" else text
        parts.append(f"case when not {is_placeholder(attribute, text)} then {kept} end")
    codes = split_codes(f"concat_ws('|', {', '.join(parts)})")
    return f"nullif(array_to_string({codes}, '|'), {literal('')})"


def _full_name_adds(con: duckdb.DuckDBPyConnection, column: str) -> bool:
    """Whether a full name stands beside its parts and says more (titles, further names).

    Where it is the only name, or stands in for the parts, it was taken apart into them already.
    """
    both, more = con.execute(
        f"""
        select
            count(*) filter (where {column} is not null),
            count(*) filter (
                where
                    len(string_split_regex(trim({column}), '\\s+'))
                    > len(string_split_regex(
                        concat_ws(' ', standard.given_name, standard.middle_name, standard.family_name), '\\s+'))
            )
        from arrived
        inner join standard on standard.record_id = lpad(arrived.kindred_row::varchar, 12, '0')
        where standard.given_name is not null and standard.family_name is not null
        """
    ).fetchall()[0]
    records = scalar_int(con, "select count(*) from arrived")
    return bool(both * 2 > records and more * 10 > both)

"""Matching features: the forms of a record's values that are compared and blocked on.

What belongs here: deriving them in a private in-memory database, so that the warehouse that
holds the records gets no helper tables. What does not: cleaning that people should see
(orchestration.standardise), and deciding what agreement is worth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestration.linkage.errors import LinkageError
from orchestration.linkage.forms import MAX_LENGTH, family_forms, given_forms, street_forms
from orchestration.linkage.organisations import organisation_forms
from orchestration.linkage.sql import columns_of, quoted

if TYPE_CHECKING:
    import duckdb

# Attributes of a record that features are derived from. Columns named `extra_*` are further
# informative columns of any table; all others are ignored.
ATTRIBUTES = (
    "given_name", "middle_name", "family_name", "birth_date", "gender", "email", "phone",
    "street", "unit", "city", "region", "postcode", "national_id",
    "full_name", "organisation", "birth_year", "birth_month", "birth_day", "age",
)  # fmt: skip
EXTRA_PREFIX = "extra_"

FEATURES = "features"


@dataclass(frozen=True)
class FeatureTable:
    """Matching features of records in a private database.

    `con` holds the table `features`: `rid` (INTEGER, records in order of `record_id`, from 0)
    and one column per feature; and `record_ids` (`rid`, `record_id`).
    """

    con: duckdb.DuckDBPyConnection
    records: int
    extras: tuple[str, ...]


def build_features(source: duckdb.DuckDBPyConnection, records: str) -> FeatureTable:
    """Derive the matching features of a table of standardised records.

    Raises LinkageError when `record_id` is missing, null or not unique.
    """
    import duckdb

    columns = columns_of(source, records)
    if "record_id" not in columns:
        raise LinkageError(f"{records}: column record_id is missing; every record needs one")
    extras = tuple(sorted(name for name in columns if name.startswith(EXTRA_PREFIX)))
    selected = ", ".join(
        f"cast({quoted(name)} as varchar) as {quoted(name)}" if name in columns else f"null::varchar as {quoted(name)}"
        for name in (*ATTRIBUTES, *extras)
    )
    arrow = source.execute(
        f"select cast(record_id as varchar) as record_id, {selected} from {records}"
    ).to_arrow_table()
    con = duckdb.connect(":memory:")
    _copy_limits(source, con)
    con.register("arriving", arrow)
    con.execute(
        """
        create table records as
        select (row_number() over (order by record_id) - 1)::integer as rid, * from arriving
        """
    )
    con.unregister("arriving")
    _check_ids(con, records)
    _fold_text(con, extras)
    _derive(con, extras)
    con.execute("create table record_ids as select rid, record_id from records")
    con.execute("drop table records")
    return FeatureTable(con=con, records=arrow.num_rows, extras=extras)


def _copy_limits(source: duckdb.DuckDBPyConnection, con: duckdb.DuckDBPyConnection) -> None:
    """The private database keeps to the threads and memory given to the warehouse."""
    threads, memory = source.execute("select current_setting('threads'), current_setting('memory_limit')").fetchall()[0]
    con.execute(f"set threads = {int(threads)}")
    con.execute(f"set memory_limit = '{memory}'")
    con.execute("set preserve_insertion_order = false")


def _check_ids(con: duckdb.DuckDBPyConnection, records: str) -> None:
    wrong = con.execute(
        """
        select record_id, count(*) as times from records
        group by record_id having count(*) > 1 or record_id is null
        order by record_id nulls first limit 1
        """
    ).fetchall()
    if wrong:
        value, times = wrong[0]
        name = "a null" if value is None else f"the value {value!r}"
        raise LinkageError(f"{records}: record_id has {name} in {times} row(s); ids must be unique and filled")


def _fold_text(con: duckdb.DuckDBPyConnection, extras: tuple[str, ...]) -> None:
    """Lower case and plain ASCII for every text; only distinct non-ASCII values see Python."""
    from anyascii import anyascii

    for column in (*ATTRIBUTES, *extras):
        name = quoted(column)
        con.execute(f"update records set {name} = nullif(trim(lower(left({name}, 200))), '')")
        foreign = con.execute(
            f"select distinct {name} from records where not regexp_full_match({name}, '[ -~]*')"
        ).fetchall()
        if foreign:
            pairs = [(value, anyascii(value).lower().strip() or None) for (value,) in foreign]
            _register_mapping(con, "folded", ("value", "plain"), pairs)
            con.execute(f"update records set {name} = folded.plain from folded where {name} = folded.value")
            con.execute("drop table folded")


def _register_mapping(
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
    _register_mapping(con, table, ("value", *outputs), rows)


def _derive(con: duckdb.DuckDBPyConnection, extras: tuple[str, ...]) -> None:
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
    extra_columns = "".join(f", left({words(name)}, {MAX_LENGTH}) as {quoted(name)}" for name in extras)
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

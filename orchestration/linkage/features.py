"""Matching features: the forms of a record's values that are compared and blocked on.

What belongs here: deriving them in a private in-memory database, so that the warehouse that
holds the records gets no helper tables. What does not: cleaning that people should see
(orchestration.standardise), and deciding what agreement is worth.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.linkage.errors import LinkageError
from orchestration.linkage.sql import columns_of, quoted

if TYPE_CHECKING:
    import duckdb

DATA = Path(__file__).parent / "data"

# Attributes of a record that features are derived from. Columns named `extra_*` are further
# informative columns of any table; all others are ignored.
ATTRIBUTES = (
    "given_name", "middle_name", "family_name", "birth_date", "gender", "email", "phone",
    "street", "unit", "city", "region", "postcode", "national_id",
    "full_name", "birth_year", "birth_month", "birth_day", "age",
)  # fmt: skip
EXTRA_PREFIX = "extra_"

# Text longer than this is cut before it is compared: edit distances cost the square of it.
_MAX_LENGTH = 60

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


@cache
def nickname_roots() -> dict[str, str]:
    """Nickname to the root that all forms of the name share (`bob` and `rob` to `robert`)."""
    with (DATA / "nicknames.csv").open(encoding="utf-8", newline="") as file:
        return {row["name"]: row["root"] for row in csv.DictReader(file)}


@cache
def _street_words() -> dict[str, str]:
    with (DATA / "street_words.csv").open(encoding="utf-8", newline="") as file:
        return {row["word"]: row["standard"] for row in csv.DictReader(file)}


_SUFFIXES = frozenset(("jr", "sr", "ii", "iii", "iv", "phd", "md", "esq", "dds"))
_TITLES = frozenset(("mr", "mrs", "ms", "miss", "dr", "prof", "sir", "rev", "mx"))


def given_forms(value: str) -> tuple[str | None, ...]:
    """Compact form, initial and nickname root of a folded given name."""
    words = [word for word in re.findall(r"[a-z]+", value.replace("'", "")) if word not in _TITLES]
    if not words:
        return None, None, None
    compact = "".join(words)[:_MAX_LENGTH]
    first = words[0] if len(words[0]) > 1 or len(words) == 1 else words[1]
    return compact, compact[0], nickname_roots().get(first, first)[:_MAX_LENGTH]


def family_forms(value: str) -> tuple[str | None, ...]:
    """Compact form, sound code, first and last part of a folded family name."""
    words = [w for w in re.findall(r"[a-z]+", value.replace("'", "")) if w not in _SUFFIXES]
    if not words:
        return None, None, None, None
    compact = "".join(words)[:_MAX_LENGTH]
    parts = [word for word in words if len(word) > 3] or [compact]
    return compact, sound_code(compact), parts[0], parts[-1]


_SOUNDS = (
    ("mac", "mk"), ("mc", "mk"), ("sch", "s"), ("sh", "s"), ("ph", "f"), ("ck", "k"), ("kn", "n"),
    ("wr", "r"), ("gh", "g"), ("dg", "j"), ("tch", "s"), ("ch", "s"), ("ce", "s"), ("ci", "s"),
    ("cy", "s"), ("th", "t"), ("x", "ks"), ("q", "k"), ("c", "k"), ("z", "s"), ("v", "f"), ("d", "t"),
    ("b", "p"), ("m", "n"),
)  # fmt: skip


def sound_code(compact: str) -> str:
    """A short consonant code that spellings of one name share (in the manner of NYSIIS)."""
    text = compact
    for written, heard in _SOUNDS:
        text = text.replace(written, heard)
    code = text[:1] + re.sub(r"[aeiouyhw]", "", text[1:])
    return re.sub(r"(.)\1+", r"\1", code)[:6]


_UNIT = re.compile(
    r"(?:\b(?:apt|apartment|unit|suite|ste|flat|room|rm|lot|trlr|trailer)\b\.?|#)\s*#?\s*([a-z0-9\-]+)\b"
)
_PO_BOX = re.compile(r"\b(?:p\.?\s*o\.?\s*box|postfach|box)\s*(\d+)")


def street_forms(value: str) -> tuple[str | None, ...]:
    """House number, street name in standard words, unit and trailing postcode of a folded line."""
    tail = re.search(r",.*?\b(\d{4,5})(?:-\d{4})?(?:\s*[a-z]{0,3})?$", value)
    line = value
    box = _PO_BOX.search(line)
    if box:
        return box.group(1), "po box", None, tail.group(1) if tail else None
    line = line.split(",")[0] if re.search(r"\d.*,|[a-z].*,", line) else line
    unit_match = _UNIT.search(line)
    unit = unit_match.group(1) if unit_match else None
    line = _UNIT.sub(" ", line)
    words = re.findall(r"[a-z0-9]+", line.replace("'", ""))
    house = None
    if words and words[0][0].isdigit() and (len(words) > 1) and not re.fullmatch(r"\d+(st|nd|rd|th)", words[0]):
        house = words.pop(0)
    elif len(words) > 1 and words[-1][0].isdigit():
        house = words.pop()
    standard = [_street_words().get(word, word) for word in words]
    name = " ".join(word for word in standard if word)[:_MAX_LENGTH] or None
    return house, name, unit, tail.group(1) if tail else None


def _derive(con: duckdb.DuckDBPyConnection, extras: tuple[str, ...]) -> None:
    _map_column(con, "given_name", "given_map", ("given", "given_initial", "given_root"), given_forms)
    _map_column(
        con,
        "family_name",
        "family_map",
        ("family", "family_code", "family_first", "family_last"),
        family_forms,
    )
    _map_column(con, "street", "street_map", ("house", "street", "unit", "postcode"), street_forms)
    compact = "nullif(regexp_replace(r.{0}, '[^a-z0-9]', '', 'g'), '')".format
    words = "nullif(trim(regexp_replace(r.{0}, '[^a-z0-9]+', ' ', 'g')), '')".format
    extra_columns = "".join(f", left({words(name)}, {_MAX_LENGTH}) as {quoted(name)}" for name in extras)
    con.execute(
        f"""
        create table {FEATURES} as
        with parts as (
            select
                r.rid,
                given_map.given, given_map.given_initial, given_map.given_root,
                family_map.family, family_map.family_code, family_map.family_first,
                family_map.family_last,
                left({compact("middle_name")}, {_MAX_LENGTH}) as middle,
                left({words("full_name")}, {_MAX_LENGTH * 2}) as full_name,
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
                left({words("unit")}, {_MAX_LENGTH}) as locality,
                coalesce({compact("postcode")}, street_map.postcode) as postcode,
                left({words("city")}, {_MAX_LENGTH}) as city,
                left({words("region")}, {_MAX_LENGTH}) as region
                {extra_columns}
            from records as r
            left join given_map on r.given_name = given_map.value
            left join family_map on r.family_name = family_map.value
            left join street_map on r.street = street_map.value
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
    for table in ("given_map", "family_map", "street_map"):
        con.execute(f"drop table {table}")

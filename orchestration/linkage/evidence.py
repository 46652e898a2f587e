"""What unmapped columns can say, judged from their values.

What belongs here: telling identifiers, categories and other weak evidence apart, and columns
that say nothing or only repeat an attribute. What does not: names of columns (columns.py), and
what agreement is worth, which training estimates.

An *identifier* is a column of codes with digits whose values are held by few records each, and
whose records agree on a name, a birth date, an e-mail or a telephone far more often than not. A
*category* has a handful of values. Whatever else repeats is plain weak evidence.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestration.linkage.columns import ColumnMapping
from orchestration.linkage.features import CATEGORY_PREFIX, EXTRA_PREFIX, IDENTIFIER_PREFIX
from orchestration.linkage.sql import literal, quoted, scalar_int

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

_FEW_VALUES = 12
# A code on more records than this is a shop's, a default or a campaign's, not a person's.
MOST_HOLDERS = 50
_SHARED_AT_LEAST = 3
_AGREEING_SHARE = 0.6
_PAIRS_LOOKED_AT = 5_000
_LONGEST = 200
_EMAIL_SHAPE = "[^@\\s]+@[^@\\s]+\\.[^@\\s]+"
_NAME_SHAPE = "[\\p{L}'’.-]+,? [\\p{L}'’.-]+( [\\p{L}'’.-]+){0,2}"
_AGREEMENT = ("given_name", "family_name", "birth_date", "email", "phone", "postcode")


def evidence_columns(con: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> dict[str, str]:
    """Name of the feature to SQL over `arrived`, for each unmapped column that says something.

    Needs the tables `arrived` (raw) and `standard` (standardised, `record_id` from `kindred_row`).
    """
    found: dict[str, str] = {}
    records = scalar_int(con, "select count(*) from arrived")
    for column in columns:
        name = "".join(letter if letter.isalnum() else "_" for letter in column.lower())
        text = quoted(column)
        filled, distinct, longest, coded = con.execute(
            f"""
            select
                count({text}), count(distinct lower(trim({text}))), coalesce(max(length({text})), 0),
                count(*) filter (where length({text}) >= 4 and regexp_matches({text}, '\\d'))
            from arrived
            """
        ).fetchall()[0]
        if filled < 2 or distinct < 2 or filled * 100 < records:
            continue
        if coded * 10 >= filled * 9 and _identifies(con, column):
            found[IDENTIFIER_PREFIX + name] = _without_hot_codes(con, column)
        elif distinct < 0.95 * filled and longest <= _LONGEST and not _repeats_an_attribute(con, column, filled):
            prefix = CATEGORY_PREFIX if distinct <= _FEW_VALUES and filled >= 4 * distinct else EXTRA_PREFIX
            found[prefix + name] = f"arrived.{text}"
    return found


def mapped_by_content(con: duckdb.DuckDBPyConnection, mapping: ColumnMapping) -> ColumnMapping:
    """The mapping with an e-mail and a name that only the values show, where no column is named so."""
    found: dict[str, str] = {}
    shapes = {
        "email": (_EMAIL_SHAPE, "email" not in mapping.attributes),
        "full_name": (
            _NAME_SHAPE,
            not {"given_name", "family_name", "full_name", "organisation"} & set(mapping.attributes),
        ),
    }
    for attribute, (shape, wanted) in shapes.items():
        for column in mapping.extras if wanted else ():
            text = f"trim({quoted(column)})"
            filled, shaped, distinct = con.execute(
                f"""
                select count(nullif({text}, '')), count(*) filter (where regexp_full_match({text}, {literal(shape)})),
                    count(distinct lower({text}))
                from arrived
                """
            ).fetchall()[0]
            if filled and shaped * 10 >= filled * 7 and distinct * 5 >= filled and column not in found.values():
                found[attribute] = column
                break
    if not found:
        return mapping
    return replace(
        mapping,
        attributes={**mapping.attributes, **found},
        extras=tuple(column for column in mapping.extras if column not in found.values()),
    )


def split_codes(expression: str) -> str:
    """SQL: the list of codes in a value (`123-45 | 678`), in lower case without signs."""
    return (
        f"list_filter(list_transform(string_split_regex(lower({expression}), '[|;,]'), "
        "code -> regexp_replace(code, '[^\\p{L}\\p{N}]', '', 'g')), code -> length(code) >= 3)"
    )


def _identifies(con: duckdb.DuckDBPyConnection, column: str) -> bool:
    """Whether records that share a code agree otherwise, and codes are shared by few."""
    con.execute(
        f"""
        create or replace temp table held_codes as
        with codes as (
            select distinct lpad(kindred_row::varchar, 12, '0') as record_id, unnest({split_codes(quoted(column))}) as code
            from arrived where {quoted(column)} is not null
        )
        select code, list(record_id order by record_id) as holders from codes group by all
        """
    )
    codes, shared, hot = con.execute(
        f"""
        select count(*), count(*) filter (where len(holders) between 2 and {MOST_HOLDERS}),
            count(*) filter (where len(holders) > {MOST_HOLDERS})
        from held_codes
        """
    ).fetchall()[0]
    if shared < _SHARED_AT_LEAST or hot * 100 > codes:
        return False
    same = [f"(l.{name} = r.{name})" for name in _AGREEMENT]
    known = [f"(l.{name} is not null and r.{name} is not null)" for name in _AGREEMENT]
    comparable, agreeing = con.execute(
        f"""
        with sharing as (
            select holders[1] as one, holders[-1] as other from held_codes
            where len(holders) between 2 and {MOST_HOLDERS} order by hash(code), code limit {_PAIRS_LOOKED_AT}
        )
        select
            count(*) filter (where {" or ".join(known)}),
            count(*) filter (where {" or ".join(same)})
        from sharing
        inner join standard as l on sharing.one = l.record_id
        inner join standard as r on sharing.other = r.record_id
        """
    ).fetchall()[0]
    return bool(agreeing >= _SHARED_AT_LEAST and agreeing >= _AGREEING_SHARE * comparable)


def _without_hot_codes(con: duckdb.DuckDBPyConnection, column: str) -> str:
    hot = con.execute(f"select code from held_codes where len(holders) > {MOST_HOLDERS} order by code").fetchall()
    codes = split_codes(f"arrived.{quoted(column)}")
    if hot:
        listed = ", ".join(literal(str(code)) for (code,) in hot)
        codes = f"list_filter({codes}, code -> code not in ({listed}))"
    return f"nullif(array_to_string({codes}, '|'), '')"


def _repeats_an_attribute(con: duckdb.DuckDBPyConnection, column: str, filled: int) -> bool:
    """Whether a column mostly repeats the name or another attribute (`first_and_surname`).

    It would only count the same evidence twice.
    """
    name = quoted(column)
    repeats = " + ".join(
        f"coalesce(contains(lower(arrived.{name}), lower(standard.{attribute})), false)::int"
        for attribute in ("given_name", "family_name", "email", "phone", "street", "city", "postcode")
    )
    repeated = scalar_int(
        con,
        f"""
        select count(*) from arrived
        inner join standard on standard.record_id = lpad(arrived.kindred_row::varchar, 12, '0')
        where arrived.{name} is not null and ({repeats}) > 0
        """,
    )
    return repeated * 2 >= filled

"""Hot values and identical records: what would otherwise flood blocking and evidence.

What belongs here: finding, from the data, identifiers that too many different people share, and
folding records that say exactly the same into one representative. What does not: known
placeholder values, which standardisation removes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestration.linkage.features import FEATURES
from orchestration.linkage.sql import columns_of, quoted

if TYPE_CHECKING:
    import duckdb

# An identifier with this many different first initials is a shop's, an agency's or a script's:
# a family has fewer, and one person's typing errors seldom change the first letter.
_TOO_MANY_INITIALS = 7
# Without names to tell people apart, only the number of records can.
_TOO_MANY_NAMELESS = 50
_BIRTH_TOO_MANY_RECORDS = 50
_BIRTH_TIMES_USUAL = 25

IDENTICAL = "identical_records"
EMPTIED = "emptied_values"
# What is emptied with a hot value: the features that are made of it.
EMPTIED_TOGETHER = {
    "email": ("email", "email_local"),
    "phone": ("phone",),
    "national_id": ("national_id",),
    "birth": ("birth", "birth_year", "birth_month", "birth_day"),
}
# Their hot values are found value by value; they come first in the masks.
IDENTIFIERS = tuple(EMPTIED_TOGETHER)[:3]


@dataclass(frozen=True)
class HotValue:
    """A value left out of blocking and evidence, and how many records hold it."""

    feature: str
    value: str
    records: int


def find_hot_values(
    con: duckdb.DuckDBPyConnection, table: str = FEATURES, questionable: Callable[[str, int], str] | None = None
) -> tuple[HotValue, ...]:
    """Identifiers and birth dates of a table of features that too many different people share.

    `questionable`, when given, says by a query (column `value`) which values of an identifier can be hot, from the
    feature and its bit in the masks; others are not looked at. Whether a birth date is hot depends on all of them.
    """
    found: list[HotValue] = []
    for bit, feature in enumerate(IDENTIFIERS):
        asked = f"and {feature} in ({questionable(feature, bit)})" if questionable else ""
        # Only values with enough records are looked at closely: counting is cheap, telling initials apart is not.
        rows = con.execute(
            f"""
            with common as materialized (
                select {feature} as value from {table} where {feature} is not null {asked}
                group by all having count(*) >= {_TOO_MANY_INITIALS}
            ),
            holders as (
                select
                    common.value,
                    count(*) as records,
                    count(distinct f.given_initial) as initials,
                    count(*) filter (where f.given is null and f.family is null and f.full_name is null)
                        as nameless
                from {table} as f inner join common on f.{feature} = common.value group by all
            )
            select value, records from holders
            where
                initials >= {_TOO_MANY_INITIALS}
                or (records >= {_TOO_MANY_NAMELESS} and nameless * 2 > records)
            order by records desc, value
            """
        ).fetchall()
        found += [HotValue(feature, str(value), int(records)) for value, records in rows]
    rows = con.execute(
        f"""
        with dates as materialized (
            select birth as value, count(*) as records from {table} where birth_precise group by all
        ),
        common as (
            select value, records from dates
            where
                records >= {_BIRTH_TOO_MANY_RECORDS}
                and records > {_BIRTH_TIMES_USUAL} * (select avg(records) from dates)
        )
        select common.value, common.records from common
        inner join {table} as f on common.value = f.birth
        where f.birth_precise
        group by all having count(distinct f.given_initial) >= {_TOO_MANY_INITIALS}
        order by common.records desc, common.value
        """
    ).fetchall()
    return (*found, *(HotValue("birth", str(value), int(records)) for value, records in rows))


def mark_hot_values(
    con: duckdb.DuckDBPyConnection, hot: Sequence[HotValue], table: str = FEATURES, key: str = "rid"
) -> None:
    """Create `emptied_values` (`key`, `mask`): `mask` has the bit of each of `EMPTIED_TOGETHER` that a record loses."""
    con.execute(f"create or replace table {EMPTIED} as select {key}, 0::utinyint as mask from {table} limit 0")
    for bit, feature in enumerate(EMPTIED_TOGETHER):
        values = [value.value for value in hot if value.feature == feature]
        if values:
            con.execute(
                f"insert into {EMPTIED} select {key}, {1 << bit} from {table} where {feature} in (select unnest(?))",
                [values],
            )


def empty_marked(con: duckdb.DuckDBPyConnection, table: str = FEATURES) -> None:
    """Empty the features, and their frequency classes, that `emptied_values` (`rid`, `mask`) marks."""
    masks = {int(mask) for (mask,) in con.execute(f"select distinct mask from {EMPTIED}").fetchall()}
    present = set(columns_of(con, table))
    for bit, columns in enumerate(EMPTIED_TOGETHER.values()):
        concerned = [name for column in columns for name in (column, f"{column}_class") if name in present]
        if concerned and any(mask & (1 << bit) for mask in masks):
            emptied = ", ".join(f"{column} = null" for column in concerned)
            con.execute(
                f"update {table} set {emptied} where rid in (select rid from {EMPTIED} where mask & {1 << bit} != 0)"
            )


def remove_hot_values(con: duckdb.DuckDBPyConnection) -> tuple[HotValue, ...]:
    """Empty identifiers and birth dates of the features that too many different people share.

    The table `emptied_values` (`rid`, `mask`) remembers whose.
    """
    hot = find_hot_values(con)
    mark_hot_values(con, hot)
    empty_marked(con)
    return hot


# Whether a record says enough to be one person when it is delivered twice.
CERTAIN_SQL = (
    "coalesce(given is not null and length(given) > 1 and family is not null "
    "and (birth is not null or email is not null or national_id is not null), false)"
)


def content_sql(columns: Collection[str]) -> tuple[str, str]:
    """SQL: two hashes of what a record says, together too many for chance to make two alike.

    Frequency classes (`<feature>_class`) say nothing that their features do not say, and the order of
    columns nothing at all.
    """
    names = [
        quoted(name)
        for name in sorted(columns)
        if name not in ("rid", "record_id", "row_hash") and name.removesuffix("_class") not in set(columns) - {name}
    ]
    return f"hash({', '.join(names)})", f"hash('again', {', '.join(reversed(names))})"


def fold_identical(con: duckdb.DuckDBPyConnection) -> int:
    """Keep one record of each set that says exactly the same; returns how many were folded.

    The table `identical_records` (`rid`, `representative`, `certain`) remembers the others; the
    first in the order of ids represents the set. `certain` ones say enough (a full name with a birth
    date, an e-mail or a national id) to be one person delivered twice; other sets, such as a
    thousand times "John", are only as likely to be one as any two records that agree so. The
    features gain `content` and `content_too` (hashes of what the record says), `held` (how many
    records this one stands for) and `copies` (the same, certain copies counting once).
    """
    content, content_too = content_sql(columns_of(con, FEATURES))
    con.execute(
        f"""
        create or replace table contents as
        select rid, {content} as content, {content_too} as content_too, {CERTAIN_SQL} as certain
        from {FEATURES}
        """
    )
    con.execute(
        f"""
        create or replace table {IDENTICAL} as
        with sets as (
            select content, content_too, min(rid) as representative
            from contents group by all having count(*) > 1
        )
        select contents.rid, sets.representative, contents.certain
        from contents inner join sets using (content, content_too)
        where contents.rid != sets.representative
        """
    )
    con.execute(
        f"""
        create or replace table {FEATURES} as
        with held as (select representative as rid, count(*) + 1 as held from {IDENTICAL} group by all)
        select
            f.*, contents.content, contents.content_too, coalesce(held.held, 1) as held,
            case when contents.certain then 1 else coalesce(held.held, 1) end as copies
        from {FEATURES} as f
        inner join contents using (rid)
        left join held using (rid)
        where f.rid not in (select rid from {IDENTICAL})
        """
    )
    con.execute("drop table contents")
    return int(con.execute(f"select count(*) from {IDENTICAL}").fetchall()[0][0])

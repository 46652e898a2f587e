"""Hot values and identical records: what would otherwise flood blocking and evidence.

What belongs here: finding, from the data, identifiers that too many different people share, and
folding records that say exactly the same into one representative. What does not: known
placeholder values, which standardisation removes.
"""

from __future__ import annotations

from collections.abc import Sequence
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


@dataclass(frozen=True)
class HotValue:
    """A value left out of blocking and evidence, and how many records hold it."""

    feature: str
    value: str
    records: int


def remove_hot_values(con: duckdb.DuckDBPyConnection) -> tuple[HotValue, ...]:
    """Empty identifiers and birth dates that too many different people share.

    The table `emptied_values` (`rid`, `mask`) remembers whose: `mask` has the bit of each of
    `EMPTIED_TOGETHER` that was emptied.
    """
    found: list[HotValue] = []
    con.execute(f"create or replace table {EMPTIED} (rid integer, mask utinyint)")
    for feature in ("email", "phone", "national_id"):
        rows = con.execute(
            f"""
            with holders as (
                select
                    {feature} as value,
                    count(*) as records,
                    count(distinct given_initial) as initials,
                    count(*) filter (where given is null and family is null and full_name is null)
                        as nameless
                from {FEATURES} where {feature} is not null group by all
            )
            select value, records from holders
            where
                initials >= {_TOO_MANY_INITIALS}
                or (records >= {_TOO_MANY_NAMELESS} and nameless * 2 > records)
            order by records desc, value
            """
        ).fetchall()
        found += [HotValue(feature, str(value), int(records)) for value, records in rows]
        _empty(con, feature, [str(value) for value, _ in rows])
    rows = con.execute(
        f"""
        with dates as (
            select birth as value, count(*) as records, count(distinct given_initial) as initials
            from {FEATURES} where birth_precise group by all
        )
        select value, records from dates
        where
            records >= {_BIRTH_TOO_MANY_RECORDS}
            and initials >= {_TOO_MANY_INITIALS}
            and records > {_BIRTH_TIMES_USUAL} * (select avg(records) from dates)
        order by records desc, value
        """
    ).fetchall()
    found += [HotValue("birth", str(value), int(records)) for value, records in rows]
    _empty(con, "birth", [str(value) for value, _ in rows])
    return tuple(found)


def _empty(con: duckdb.DuckDBPyConnection, feature: str, values: list[str]) -> None:
    if values:
        bit = 1 << list(EMPTIED_TOGETHER).index(feature)
        con.execute(
            f"insert into {EMPTIED} select rid, {bit} from {FEATURES} where {feature} in (select unnest(?))", [values]
        )
        emptied = ", ".join(f"{column} = null" for column in EMPTIED_TOGETHER[feature])
        con.execute(f"update {FEATURES} set {emptied} where {feature} in (select unnest(?))", [values])


def content_sql(columns: Sequence[str]) -> tuple[str, str]:
    """SQL: two hashes of what a record says, together too many for chance to make two alike."""
    names = [quoted(name) for name in columns if name not in ("rid", "content", "content_too")]
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
    content, content_too = content_sql(list(columns_of(con, FEATURES)))
    certain = (
        "given is not null and length(given) > 1 and family is not null "
        "and (birth is not null or email is not null or national_id is not null)"
    )
    con.execute(
        f"""
        create or replace table contents as
        select rid, {content} as content, {content_too} as content_too, coalesce({certain}, false) as certain
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

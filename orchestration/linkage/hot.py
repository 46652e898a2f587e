"""Hot values and identical records: what would otherwise flood blocking and evidence.

What belongs here: finding, from the data, identifiers that too many different people share, and
folding records that say exactly the same into one representative. What does not: known
placeholder values, which standardisation removes.
"""

from __future__ import annotations

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


@dataclass(frozen=True)
class HotValue:
    """A value left out of blocking and evidence, and how many records hold it."""

    feature: str
    value: str
    records: int


def remove_hot_values(con: duckdb.DuckDBPyConnection) -> tuple[HotValue, ...]:
    """Empty identifiers and birth dates that too many different people share."""
    found: list[HotValue] = []
    for feature, also in (("email", ("email_local",)), ("phone", ()), ("national_id", ())):
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
        _empty(con, feature, (feature, *also), [str(value) for value, _ in rows])
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
    parts = ("birth", "birth_year", "birth_month", "birth_day")
    _empty(con, "birth", parts, [str(value) for value, _ in rows])
    return tuple(found)


def _empty(con: duckdb.DuckDBPyConnection, feature: str, columns: tuple[str, ...], values: list[str]) -> None:
    if values:
        emptied = ", ".join(f"{column} = null" for column in columns)
        con.execute(f"update {FEATURES} set {emptied} where {feature} in (select unnest(?))", [values])


def fold_identical(con: duckdb.DuckDBPyConnection) -> int:
    """Keep one record of each set that says exactly the same; returns how many were folded.

    The table `identical_records` (`rid`, `representative`, `certain`) remembers the others.
    `certain` ones say enough (a full name with a birth date, an e-mail or a national id) to be one
    person delivered twice; other sets, such as a thousand times "John", are only as likely to be
    one as any two records that agree so. The features gain `held` (how many records this one
    stands for) and `copies` (the same, certain copies counting once).
    """
    columns = ", ".join(quoted(name) for name in columns_of(con, FEATURES) if name != "rid")
    certain = (
        "given is not null and length(given) > 1 and family is not null "
        "and (birth is not null or email is not null or national_id is not null)"
    )
    con.execute(
        f"""
        create or replace table folded_features as
        select
            *, {certain} as certain,
            min(rid) over (partition by {columns}) as representative,
            count(*) over (partition by {columns}) as held
        from {FEATURES}
        """
    )
    con.execute(
        f"""
        create or replace table {IDENTICAL} as
        select rid, representative, certain from folded_features where rid != representative
        """
    )
    con.execute(
        f"""
        create or replace table {FEATURES} as
        select * exclude (certain, representative), case when certain then 1 else held end as copies
        from folded_features where rid = representative
        """
    )
    con.execute("drop table folded_features")
    return int(con.execute(f"select count(*) from {IDENTICAL}").fetchall()[0][0])

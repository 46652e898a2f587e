"""k-anonymity: how many people share each combination of what a stranger could know of a person.

Belongs here: which columns are quasi-identifiers, measuring k, withholding what tells too few people apart. Does not
belong here: writing a file (`public.py`).

A table is k-anonymous when every combination of its quasi-identifiers belongs to no person or to at least k (Sweeney
2002, "k-anonymity: a model for protecting privacy"; Samarati 2001 for withholding by generalisation and suppression).
What it does not give: it says nothing of the other columns, which may be the same for a whole group and so be told of
everybody in it (homogeneity; Machanavajjhala et al. 2007); it does not add up over two files or two days that are laid
side by side; and it is not differential privacy, which bounds what can be learned whatever else is known.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb

from orchestration.publishing.columns import PrivacyRule, quote
from orchestration.publishing.errors import PublishingError, SmallGroupsError

SHOWN_SIZES = 5
_WELL_KNOWN = re.compile(
    r"(^|_)(birth|age|gender|sex|city|town|region|state|county|postcode|postal|zip|country|nationality|language|locale)"
    r"(_|$)"
)
_GENERALISED = ("year", "prefix", "common")


@dataclass(frozen=True)
class PublicTable:
    """What dbt's `meta: {public: ...}` says of a table that anybody may have.

    Attributes:
        people: the column that counts a row's people; None when each row is one person.
        small_groups: `refuse` to publish, or `suppress` what is too small.
        generalise: quasi-identifiers to blank in small groups, in this order, before anything is left out.
    """

    people: str | None = None
    small_groups: str = "refuse"
    generalise: tuple[str, ...] = ()


@dataclass(frozen=True)
class Anonymity:
    """What was measured of one table.

    Attributes:
        k: people in the smallest group; None for a table without rows.
        required: the least k; None where none is.
        groups: combinations of quasi-identifiers that occur.
        smallest: sizes of the smallest groups, ascending, at most `SHOWN_SIZES` of them.
        people_in_small_groups: people in groups below the least k (below 5 where none is required).
        people_withheld: people who were left out to keep the least k.
    """

    table: str
    quasi_identifiers: tuple[str, ...]
    k: int | None
    required: int | None
    groups: int
    people: int
    people_in_small_groups: int
    smallest: tuple[int, ...]
    people_withheld: int = 0


def parse_public(meta: Any, table: str) -> PublicTable | None:
    """Understand a table's `public`; None when it is not marked.

    Raises:
        PublishingError: it says something that is not known.
    """
    if meta in (None, False):
        return None
    said = {} if meta is True else meta
    if not isinstance(said, Mapping) or set(said) - {"people", "small_groups", "generalise"}:
        raise PublishingError(
            f"Table {table} is marked public by {meta!r}, which is not understood. "
            "Write `public: true`, or a mapping of people, small_groups (refuse, suppress) and generalise (columns)."
        )
    public = PublicTable(
        people=said.get("people"),
        small_groups=str(said.get("small_groups", "refuse")),
        generalise=tuple(said.get("generalise") or ()),
    )
    if public.small_groups not in ("refuse", "suppress"):
        raise PublishingError(f"Table {table} has small_groups {public.small_groups!r}; known are refuse and suppress.")
    return public


def is_quasi_identifier(column: str, rule: PrivacyRule, marked: bool | None) -> bool:
    """Whether a stranger could know a column's values of a person.

    What the model says (`meta: {quasi_identifier: true|false}`) holds; else a generalising privacy word and the names
    that everybody knows of their neighbours (birth, gender, places, language) decide.
    """
    if rule.action == "drop":
        return False
    if marked is not None:
        return marked
    return rule.action in _GENERALISED or bool(_WELL_KNOWN.search(column.lower()))


def measure(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    table: str,
    quasi_identifiers: Sequence[str],
    *,
    people: str | None = None,
    required: int | None = None,
) -> Anonymity:
    """Count the people behind each combination of the quasi-identifiers; an unknown value is a value like any other.

    Args:
        relation: SQL of the table or view.
        table: its name for people.
        quasi_identifiers: columns; without any, all people are one group.
        people: column that counts a row's people; a row is one person without it.
        required: the least k.
    """
    sizes, least = group_sizes_sql(relation, quasi_identifiers, people), required or 5
    k, groups, total, small = connection.execute(
        f"""
        select min(size), count(*), coalesce(sum(size), 0), coalesce(sum(size) filter (size < {int(least)}), 0)
        from ({sizes}) where size > 0
        """
    ).fetchall()[0]
    smallest = connection.execute(
        f"select size from ({sizes}) where size > 0 order by size limit {SHOWN_SIZES}"
    ).fetchall()
    return Anonymity(
        table, tuple(quasi_identifiers), None if k is None else int(k), required, groups, int(total), int(small),
        tuple(int(size) for (size,) in smallest),
    )  # fmt: skip


def require(found: Anonymity) -> None:
    """Refuse a table with a group below the least k.

    Raises:
        SmallGroupsError: the message gives sizes and columns, never the values that tell the people apart.
    """
    if found.required is None or found.k is None or found.k >= found.required:
        return
    sizes = ", ".join(str(size) for size in found.smallest)
    columns = ", ".join(found.quasi_identifiers) or "no column"
    raise SmallGroupsError(
        f"{found.table} is marked public, and {found.people_in_small_groups} of its {found.people} people are in groups of "
        f"fewer than {found.required} that share {columns}; the smallest groups are of {sizes}. public.duckdb was not "
        "replaced. Generalise those columns in the model (a decade for a year, a country for a city), leave one out "
        "(privacy: drop), let small groups be withheld (`public: {small_groups: suppress, generalise: [columns]}`), or "
        "lower KINDRED_K_ANONYMITY if the data protection officer agrees."
    )


def withhold(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    quasi_identifiers: Sequence[str],
    public: PublicTable,
    required: int,
) -> int:
    """Blank and then remove, in a table of one's own, what belongs to groups below the least k.

    The columns of `public.generalise` are blanked one by one, each only in the groups that are still too small, so that
    a person is shown with as much as k others share. Where rows count people, rows that have become equal are added up.

    Returns:
        How many people were left out.
    """
    people = public.people
    before = _people(connection, relation, people)
    for column in public.generalise:
        _where_small(
            connection,
            relation,
            quasi_identifiers,
            people,
            required,
            f"update {relation} as t set {quote(column)} = null",
        )
    if people is not None and public.generalise:
        _add_up(connection, relation, quasi_identifiers)
    _where_small(connection, relation, quasi_identifiers, people, required, f"delete from {relation} as t")
    return before - _people(connection, relation, people)


def with_withheld(found: Anonymity, withheld: int) -> Anonymity:
    """The same measurement, with how many people were left out."""
    return replace(found, people_withheld=withheld)


def group_sizes_sql(relation: str, quasi_identifiers: Sequence[str], people: str | None) -> str:
    """SQL of one row per combination: its columns and `size`, its people."""
    columns = ", ".join(quote(column) for column in quasi_identifiers)
    size = f"cast(sum({quote(people)}) as bigint)" if people else "count(*)"
    return f"select {columns}{', ' if columns else ''}{size} as size from {relation}{' group by ' + columns if columns else ''}"


def _where_small(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    quasi_identifiers: Sequence[str],
    people: str | None,
    required: int,
    statement: str,
) -> None:
    matches = " and ".join(f"t.{quote(c)} is not distinct from small.{quote(c)}" for c in quasi_identifiers)
    connection.execute(
        f"""
        {statement} where exists (
            from ({group_sizes_sql(relation, quasi_identifiers, people)}) as small
            where small.size < {int(required)}{" and " + matches if matches else ""}
        )
        """
    )


def _add_up(connection: duckdb.DuckDBPyConnection, relation: str, quasi_identifiers: Sequence[str]) -> None:
    described = connection.execute(f"describe {relation}").fetchall()
    keys = ", ".join(quote(column) for column in quasi_identifiers)
    selected = ", ".join(
        quote(name) if name in quasi_identifiers else f"cast(sum({quote(name)}) as {data_type}) as {quote(name)}"
        for name, data_type, *_ in described
    )
    connection.execute(
        f"create or replace temp table {relation} as select {selected} from {relation}{' group by ' + keys if keys else ''}"
    )


def _people(connection: duckdb.DuckDBPyConnection, relation: str, people: str | None) -> int:
    counted = f"coalesce(sum({quote(people)}), 0)" if people else "count(*)"
    return int(connection.execute(f"select {counted} from {relation}").fetchall()[0][0])

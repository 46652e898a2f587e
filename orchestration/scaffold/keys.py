"""What tells the rows of a file apart, and what tells whose they are.

Belongs here: candidates for keys and the choice among them, checked on all rows. Does not belong here: what columns
mean otherwise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import duckdb

from orchestration.scaffold.errors import ScaffoldError
from orchestration.scaffold.files import FILE_TABLE
from orchestration.scaffold.profile import ColumnProfile, FileProfile
from orchestration.scaffold.semantics import IDENTIFIERS, Proposal, by_semantic
from orchestration.scaffold.vocabulary import vocabulary

_ID_WORDS = frozenset({"id", "no", "nr", "num", "number", "nummer", "numero", "key", "code", "uuid", "guid", "ref"})
# Attributes that a key column may have been taken for.
_MAY_BE_KEY = (None, "user_id", "loyalty_number", "order_id", "social_handle", "house_number")
_LONGEST_KEY = 64
# Rows that share an id and agree this often in name or e-mail are versions of one record.
_SAME_PERSON = 0.8

RecordKeyKind = Literal["column", "email", "row", "visitor"]


@dataclass(frozen=True)
class Keys:
    """The primary key of a row (no column: the whole row), and what identifies the person that it is about."""

    columns: tuple[ColumnProfile, ...]
    reason: str
    record: ColumnProfile | None
    """The column that identifies the person; None when the whole row does, or several columns (a visitor)."""
    record_kind: RecordKeyKind
    flags: tuple[str, ...] = ()

    @property
    def by_row(self) -> bool:
        """The whole row identifies the person."""
        return self.record is None and self.record_kind == "row"


def choose_keys(
    con: duckdb.DuckDBPyConnection,
    profile: FileProfile,
    proposals: Sequence[Proposal],
    version: ColumnProfile | None,
    table: str,
    given: str | None,
    *,
    holds_orders: bool,
) -> Keys:
    """Choose the key of the rows and of the persons; `given` is the column that the user named.

    Raises ScaffoldError when `given` is no column, or does not tell rows apart.
    """
    ranked = _ranked(profile, proposals, table)
    if holds_orders:
        return _order_keys(con, profile, proposals, version, ranked, _given(con, profile, given, version))
    if given is not None:
        column = _given(con, profile, given, version)
        assert column is not None
        return Keys((column,), "named by --key", column, "column")
    unique = [column for column in ranked if column.unique]
    if unique:
        return _unique_key(unique[0], profile, proposals, table)
    return _keyless(con, profile, proposals, version, ranked)


def _unique_key(best: ColumnProfile, profile: FileProfile, proposals: Sequence[Proposal], table: str) -> Keys:
    reason = f"a value of its own in each of the {profile.rows:,} rows"
    if proposals[best.position].semantic == "email":
        flag = (
            f"`{best.physical_name}` is the key, in lower case, for nothing else tells the rows apart: who changes the "
            "address comes in as a new record, which matching has to bring together with the old one"
        )
        return Keys((best,), reason, best, "email", (flag,))
    if _rank(best, proposals, table) < 5:
        return Keys((best,), f"{reason}, and named like a key", best, "column")
    flag = f"`{best.physical_name}` is the key because nothing repeats in it; its name is no key's"
    return Keys((best,), reason, best, "column", (flag,))


def _given(
    con: duckdb.DuckDBPyConnection, profile: FileProfile, given: str | None, version: ColumnProfile | None
) -> ColumnProfile | None:
    column = given_key(profile, given)
    if column is None:
        return None
    told = [column] if version is None or version.position == column.position else [column, version]
    if column.filled < column.rows:
        raise ScaffoldError(
            f"--key {given}: {column.rows - column.filled:,} of {column.rows:,} rows have no value in it. Choose another "
            "column, or leave --key away: a file without a key is taken row by row."
        )
    if not column.unique and not _tells_apart(con, told, profile.rows):
        raise ScaffoldError(
            f"--key {given}: its {column.distinct:,} values do not tell {column.rows:,} rows apart, and all but one row of "
            "each would be quarantined. Choose another column, or leave --key away."
        )
    return column


def given_key(profile: FileProfile, given: str | None) -> ColumnProfile | None:
    """The column that --key named. Raises ScaffoldError when there is none of that name."""
    if given is None:
        return None
    column = profile.column(given)
    if column is None:
        names = ", ".join(c.physical_name for c in profile.columns)
        raise ScaffoldError(f"--key {given}: no such column; the file has {names}")
    return column


def likely_keys(profile: FileProfile, proposals: Sequence[Proposal], table: str) -> list[ColumnProfile]:
    """Columns whose names are those of keys, best first."""
    return [c for c in _ranked(profile, proposals, table) if _rank(c, proposals, table) < 5]


def _ranked(profile: FileProfile, proposals: Sequence[Proposal], table: str) -> list[ColumnProfile]:
    """Columns that could be keys, likeliest first."""
    fitting = [c for c in profile.columns if _rank(c, proposals, table) < 9]
    return sorted(fitting, key=lambda c: (_rank(c, proposals, table), c.position))


def _rank(column: ColumnProfile, proposals: Sequence[Proposal], table: str) -> float:
    """How little a column looks like a key: below 5 its name says so, 9 excludes it."""
    proposal = proposals[column.position]
    words, vocab = column.words, vocabulary()
    if column.type in ("date", "timestamp", "number", "boolean", "object") or column.dates is not None:
        return 9
    if not column.filled or column.longest > _LONGEST_KEY:
        return 9
    if proposal.semantic == "email":
        return 6
    if proposal.semantic not in _MAY_BE_KEY:
        return 9
    place = vocab.key_rank(words)
    if place is not None:
        return place / 1000
    if len(words) > 1 and words[-1] in _ID_WORDS:
        if words[0].rstrip("sn") in table or table.rstrip("s") in "_".join(words):
            return 1
        return 4 if vocab.foreign(words) else 2
    if proposal.semantic in IDENTIFIERS or proposal.semantic == "order_id":
        return 3
    if proposal.semantic is None and _code_like(column):
        return 7 if column.position == 0 else 8
    return 9


def _code_like(column: ColumnProfile) -> bool:
    """Values without blanks, most of them with a digit: not a text that merely never repeats."""
    values = [value for value, _ in column.sample]
    digits = sum(any(map(str.isdigit, value)) for value in values)
    return all(not any(map(str.isspace, value)) for value in values) and digits * 2 > len(values)


def _tells_apart(con: duckdb.DuckDBPyConnection, columns: Sequence[ColumnProfile], rows: int) -> bool:
    listed = ", ".join(column.column for column in columns)
    filled = " and ".join(f"trim({column.column}) <> ''" for column in columns)
    query = f"select count(*) from (select distinct {listed} from {FILE_TABLE} where {filled})"
    return bool(con.execute(query).fetchall()[0][0] == rows)


def _keyless(
    con: duckdb.DuckDBPyConnection,
    profile: FileProfile,
    proposals: Sequence[Proposal],
    version: ColumnProfile | None,
    ranked: Sequence[ColumnProfile],
) -> Keys:
    """No column is unique: versions of a record, rows of a record, or no key at all."""
    for column in ranked:
        if _named_key(column, proposals) and column.filled == profile.rows:
            if version is not None and _tells_apart(con, [column, version], profile.rows):
                reason = f"with `{version.physical_name}`, of which each version of a record has its own"
                return Keys((column,), reason, column, "column")
            if _rows_agree(con, column, proposals):
                reason = "the whole row, for no column is unique"
                flag = (
                    f"`{column.physical_name}` repeats ({column.distinct:,} values in {profile.rows:,} rows) and its rows "
                    "agree on the person: they are taken as one record, whose last row counts"
                )
                return Keys((), reason, column, "column", (flag,))
    flag = (
        "the file has no key: a row is known by all that it holds. A row that changes in a later file comes in as a new "
        "record, which matching has to bring together with the old one; name a column with --key if there is one"
    )
    return Keys((), "the whole row, for no column is unique and filled", None, "row", (flag,))


def _named_key(column: ColumnProfile, proposals: Sequence[Proposal]) -> bool:
    return vocabulary().key_rank(column.words) is not None or proposals[column.position].semantic in IDENTIFIERS


def _rows_agree(con: duckdb.DuckDBPyConnection, key: ColumnProfile, proposals: Sequence[Proposal]) -> bool:
    """Whether rows with the same key mostly have the same name or e-mail."""
    known = by_semantic(proposals)
    told = next(
        (known[name].column for name in ("email", "family_name", "full_name", "phone", "birth_date") if name in known),
        None,
    )
    if told is None:
        return False
    agreeing, repeated = con.execute(
        f"""
        select count(*) filter (where n = 1), count(*)
        from (
            select count(distinct lower(trim({told.column}))) as n
            from {FILE_TABLE}
            where trim({told.column}) <> ''
            group by {key.column}
            having count(*) > 1
        )
        """
    ).fetchall()[0]
    return bool(repeated and agreeing >= _SAME_PERSON * repeated)


def _order_keys(
    con: duckdb.DuckDBPyConnection,
    profile: FileProfile,
    proposals: Sequence[Proposal],
    version: ColumnProfile | None,
    ranked: Sequence[ColumnProfile],
    given: ColumnProfile | None,
) -> Keys:
    """Keys of a file of orders: the order (or its line) tells rows apart, another column tells who ordered."""
    known = by_semantic(proposals)
    order = given or (known["order_id"].column if "order_id" in known else None)
    columns, reason, flags = _row_of_order(con, profile, order, version, ranked)
    others = [c for c in ranked if c not in columns and c != order and _customer_like(c, proposals)]
    if others:
        return Keys(columns, reason, others[0], "column", flags)
    if "email" in known:
        flag = "no column holds an id of the customer: the e-mail address stands for it, in lower case"
        return Keys(columns, reason, known["email"].column, "email", (*flags, flag))
    return Keys(columns, reason, None, "row", flags)


def _row_of_order(
    con: duckdb.DuckDBPyConnection,
    profile: FileProfile,
    order: ColumnProfile | None,
    version: ColumnProfile | None,
    ranked: Sequence[ColumnProfile],
) -> tuple[tuple[ColumnProfile, ...], str, tuple[str, ...]]:
    if order is None:
        flag = "no column holds an id of the order: each different row is an order, and equal rows are one"
        return (), "the whole row, for there is no id of the order", (flag,)
    if order.unique:
        return (order,), f"a value of its own in each of the {profile.rows:,} rows", ()
    if version is not None and order.filled == profile.rows and _tells_apart(con, [order, version], profile.rows):
        return (order,), f"with `{version.physical_name}`, of which each version of an order has its own", ()
    flag = (
        f"`{order.physical_name}` repeats ({order.distinct:,} values in {profile.rows:,} rows): the rows are taken as the "
        "lines of orders and added up by order"
    )
    for column in profile.columns:
        if column is not order and column.filled == profile.rows and column.type not in ("number", "object"):
            fits = _tells_apart(con, [order, column], profile.rows) and column.distinct < profile.rows
            if fits and (column in ranked or set(column.words) & {"line", "pos", "position", "sku", "item", "product"}):
                return (order, column), f"a line of an order, told by `{column.physical_name}`", (flag,)
    return (), "the whole row, for the lines of an order have no number", (flag,)


def _customer_like(column: ColumnProfile, proposals: Sequence[Proposal]) -> bool:
    """A column that could hold ids of customers: named so, and not the order's own."""
    words = column.words
    known = {"customer", "client", "contact", "person", "member", "user", "account", "buyer", "guest", "subscriber"}
    foreign_tongues = {"kunden", "kunde", "kd", "cliente", "klant", "kundennr", "kundennummer", "klantnummer"}
    if proposals[column.position].semantic in ("email", "order_id", "house_number"):
        return False
    whole = "".join(words)
    return bool(set(words) & (known | foreign_tongues)) or any(whole.startswith(word) for word in foreign_tongues)

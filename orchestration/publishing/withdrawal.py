"""Taking people out of a file as it was published, without publishing anything else.

Belongs here: the same file without the rows of the people, with single tables of the warehouse in the place of the old
ones where the caller says so. Does not belong here: whether the warehouse may be published (`orchestration.republish`),
or how a file is built (`database.py`).

After an erasure the people must leave what is published at once, also when the warehouse holds what a gate has stopped.
The new file is made of the old one: rows are left out, the order of the rest stays, what is shown only where enough rows
share it is looked at again, and the file is swapped in whole or not at all. In a file of tokens the people are found by
their tokens.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from uuid import uuid4

import duckdb

from orchestration.duckdb_files import attach
from orchestration.errors import KindredError
from orchestration.privacy.closure import Closure, Person, load_closure
from orchestration.privacy.pseudonyms import TokenKey, token, token_key, token_key_id
from orchestration.privacy.relations import Relation, relations
from orchestration.publishing.columns import PUBLISHED_SCHEMAS, TableText, parse_privacy, quote, token_kind
from orchestration.publishing.database import (
    Check,
    Origin,
    PublishedColumn,
    PublishedFile,
    PublishedTable,
    write_database,
)
from orchestration.publishing.errors import PublishingError

# The columns by which rows are known to be a person's, and the kind of their tokens.
_KINDS = {"record_id", "customer_id", "anonymous_id"}


class NotTellableError(PublishingError):
    """The published file does not tell whose rows it has, so nobody can be taken out of it."""


@dataclass(frozen=True)
class _Published:
    """A table of the published file: the columns it shows, and how."""

    relation: Relation
    columns: tuple[PublishedColumn, ...]
    text: TableText

    @property
    def name(self) -> str:
        return self.relation.label


def withdraw_people(
    connection: duckdb.DuckDBPyConnection,
    target: Path,
    closure: Closure,
    *,
    mode: int,
    fresh: Sequence[PublishedTable] = (),
    secret: bytes | None = None,
    key: str | None = None,
    check: Check | None = None,
) -> PublishedFile:
    """Write the published file anew without the rows of the people of a closure.

    Args:
        connection: to the warehouse; the closure's temporary tables are made in it.
        target: the published file.
        closure: whose rows go.
        mode: the new file's permissions.
        fresh: tables that are taken from the warehouse instead, as a whole publication would.
        secret: of the file's tokens; None for a file that shows values as they are.
        key: of an encrypted file.
        check: looks at the new file before the swap.

    Raises:
        NotTellableError: the tokens were made with another secret, or a table lacks the columns by which the warehouse
            tells whose a row is.
        PublishingError: DuckDB or the disk failed, or the check refused. The old file is then as it was.
    """
    old = f"published_{uuid4().hex}"
    try:
        attach(connection, target, old, key=key, read_only=True)
    except (duckdb.Error, KindredError) as error:
        raise PublishingError(f"{target.name} cannot be opened to take people out of it: {error}") from error
    try:
        origin = _origin(connection, old)
        tokens = None if secret is None else _tokens_of(origin, secret, target)
        load_closure(connection, closure if tokens is None else _as_tokens(closure, tokens))
        replaced = {table.name for table in fresh}
        held = _held_in_warehouse(connection)
        kept = [
            _without_people(table, held.get(table.name), old, secret is not None)
            for table in _published(connection, old)
            if table.name not in replaced
        ]
        tables = sorted((*kept, *fresh), key=lambda table: table.name)
        parameters = tokens.parameters if tokens else {}
        return write_database(
            connection, target, tables, origin, parameters=parameters, key=key, mode=mode, check=check
        )
    finally:
        connection.execute(f"detach {old}")


def _origin(connection: duckdb.DuckDBPyConnection, old: str) -> Origin:
    rows = connection.execute(
        f"select run_id, load_date, token_key_id, token_period from {old}.meta.publication"
    ).fetchall()
    return Origin(*rows[0]) if rows else Origin()


def published_by(path: Path, *, key: str | None = None) -> tuple[str | None, date | None]:
    """The run that made a published file, and its load date; two times None when there is no such file."""
    if not path.exists():
        return None, None
    with duckdb.connect() as connection:
        attach(connection, path, "published", key=key, read_only=True)
        rows = connection.execute("select run_id, load_date from published.meta.publication").fetchall()
    return rows[0] if rows else (None, None)


def _tokens_of(origin: Origin, secret: bytes, target: Path) -> TokenKey:
    purpose = "tokens" if origin.token_period in (None, "never") else f"tokens/{origin.token_period}"
    if token_key_id(secret, purpose) != origin.token_key_id:
        raise NotTellableError(
            f"the tokens in {target.name} were made with another secret than KINDRED_SECRET, so nobody can be found in it."
        )
    return token_key(secret, purpose)


def _as_tokens(closure: Closure, key: TokenKey) -> Closure:
    def made(values: tuple[str, ...], kind: str) -> tuple[str, ...]:
        return tuple(str(token(value, kind, key)) for value in values)

    people = (
        Person(
            person.number,
            made(person.customers, "customer_id"),
            made(person.records, "record_id"),
            made(person.visitors, "anonymous_id"),
            (),
        )
        for person in closure.people
    )
    return Closure(tuple(people))


def _held_in_warehouse(connection: duckdb.DuckDBPyConnection) -> dict[str, Relation]:
    return {item.label: item for item in relations(connection) if item.condition("held") is not None}


def _published(connection: duckdb.DuckDBPyConnection, old: str) -> list[_Published]:
    """What the file holds, told by itself."""
    columns: dict[tuple[str, str], dict[str, str]] = {}
    comments: dict[str, dict[str, str]] = {}
    for schema, table, column, kind, comment in connection.execute(
        """
        select schema_name, table_name, column_name, data_type, comment
        from duckdb_columns()
        where database_name = ? and schema_name in (select unnest(?)) and not internal
        order by schema_name, table_name, column_index
        """,
        [old, list(PUBLISHED_SCHEMAS)],
    ).fetchall():
        columns.setdefault((schema, table), {})[column] = kind
        comments.setdefault(f"{schema}.{table}", {})[column] = comment or ""
    told = connection.execute(
        f"select table_name, column_name, privacy, published, description from {old}.meta.columns order by rowid"
    ).fetchall()
    texts = dict(connection.execute(f"select table_name, description from {old}.meta.tables").fetchall())
    found = []
    for (schema, name), kinds in columns.items():
        label = f"{schema}.{name}"
        shown = [
            PublishedColumn(column, quote(column) if published else None, word, _note(comments, label, column, text))
            for table, column, word, published, text in told
            if table == label and (column in kinds or not published)
        ]
        if [column.name for column in shown if column.sql] != list(kinds):
            raise NotTellableError(
                f"the published file's own account of the columns of {label} does not fit the table."
            )
        described = {column: text or "" for table, column, _, _, text in told if table == label}
        text = TableText(texts.get(label) or "", described)
        found.append(_Published(Relation(schema, name, kinds), tuple(shown), text))
    return found


def _note(comments: Mapping[str, Mapping[str, str]], table: str, column: str, text: str | None) -> str:
    """What stands behind a column's description in its comment."""
    return comments[table].get(column, "").removeprefix(text or "").strip()


def _without_people(table: _Published, held: Relation | None, old: str, in_tokens: bool) -> PublishedTable:
    relation = table.relation
    condition = relation.condition("held")
    if held is not None:
        _require_tellable(table, held, in_tokens)
    source = f"{old}.{relation.sql}"
    columns = tuple(_looked_at_again(column, relation) for column in table.columns)
    return PublishedTable(
        table.name,
        columns,
        f"(select * from {source} as held where not ({condition}))" if condition else source,
        table.text,
        in_order=columns == table.columns,
    )


def _require_tellable(table: _Published, held: Relation, in_tokens: bool) -> None:
    shown = {column.name: column for column in table.columns if column.sql is not None}
    told = {name for name, column in shown.items() if not in_tokens or _kind(column) in _KINDS}
    if missing := sorted(set(held.keys) - told):
        raise NotTellableError(
            f"{table.name} in the published file does not show {', '.join(missing)} so that its rows could be known as somebody's."
        )


def _kind(column: PublishedColumn) -> str | None:
    """The kind of a column's tokens; None for a column of other values."""
    action, _, kind = (column.word or "").partition(":")
    return (kind or token_kind(column.name)) if action == "token" else None


def _looked_at_again(column: PublishedColumn, relation: Relation) -> PublishedColumn:
    """A value that is shown where enough rows share it may have lost one of them."""
    if column.sql is None or not (column.word or "").startswith("common"):
        return column
    rule = parse_privacy(column.word, f"Column {column.name} of {relation.label}")
    return replace(column, sql=rule.sql(column.name, relation.columns[column.name], relation.label))

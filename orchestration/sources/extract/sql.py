"""Tables of a database, landed as Parquet: whole (snapshot) or what is new by a cursor column (delta).

Belongs here: reading tables in chunks within one read-only transaction, and the types that they land with. Does not
belong here: how a database is reached (see `database`) and what is new (see `position`).
"""

import difflib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.sources.contract import Contract, Table
from orchestration.sources.extract.database import connected
from orchestration.sources.extract.environment import Environment
from orchestration.sources.extract.errors import AnswerError
from orchestration.sources.extract.position import Tracker, Window, mark_of
from orchestration.sources.extract.state import DayState, TableState
from orchestration.sources.landed import create
from orchestration.sources.servers import Origin, SqlServer

if TYPE_CHECKING:
    import pyarrow as pa
    import sqlalchemy as sa

# Python types of a cursor by the contract's type of its column; anything else orders in another way than the database.
_CURSOR_TYPES: dict[str, tuple[type, ...]] = {
    "bigint": (int,),
    "double": (int, float),
    "varchar": (str,),
    "timestamp": (datetime, date, str),
    "date": (datetime, date, str),
}


@dataclass(frozen=True)
class _Column:
    """A column as it is selected, and how its values become Arrow's."""

    name: str
    expression: "sa.ColumnElement[Any]"
    arrow_type: "pa.DataType"
    convert: Callable[[Any], Any] | None
    utc: bool = False


def take_tables(
    contract: Contract,
    server: SqlServer,
    windows: Mapping[str, Window],
    folder: Path,
    environment: Environment | None = None,
) -> DayState:
    """Write `<table>.parquet` for every table of the contract, all as of one moment where the database can do that.

    Raises:
        UnreachableError: the database does not answer, also after another attempt.
        AccessError: a credential is missing or refused.
        AnswerError: a table or column is not there, or a value cannot be written.
    """

    def take_all(connection: "sa.Connection") -> DayState:
        return DayState(
            tables={
                table.name: _Taker(connection, contract, server, table).take(windows[table.name], folder)
                for table in contract.tables
            }
        )

    return connected(contract, server, take_all, environment)


class _Taker:
    """Takes one table over an open connection."""

    def __init__(self, connection: "sa.Connection", contract: Contract, server: SqlServer, table: Table) -> None:
        assert table.origin is not None
        self.connection = connection
        self.table = table
        self.origin: Origin = table.origin
        self.chunk_rows = server.chunk_rows
        self.label = f"{contract.source}: table {self.origin.name}"
        schema, _, name = self.origin.name.rpartition(".")
        self.schema, self.name = schema or server.schema, name
        self.weakly_typed = connection.dialect.name == "sqlite"

    def take(self, window: Window, folder: Path) -> TableState:
        """Stream the window's rows into the table's file."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        found = self._found_columns()
        columns, left_out = self._columns(found)
        schema = pa.schema([pa.field(column.name, column.arrow_type) for column in columns])
        tracker, rows = Tracker(window.lower), 0
        with (
            create(folder / self.table.file_glob) as file,
            pq.ParquetWriter(file, schema, compression="zstd") as writer,
        ):
            for chunk in self._chunks(columns, found, window):
                try:
                    kept = self._within(chunk, window, tracker)
                except TypeError as error:
                    raise AnswerError(
                        f"{self.label}: the cursor column {self.origin.cursor} has another type than on the days before; "
                        "what is new cannot be told. Name another cursorColumn, or remove the landed days' _state.json "
                        "files to read the table from its beginning."
                    ) from error
                if kept and kept[0]:
                    writer.write_batch(self._batch(kept, columns, schema))
                    rows += len(kept[0])
        return TableState(self.origin.cursor, window.lower, tracker.position, rows, left_out)

    def _found_columns(self) -> dict[str, "sa.types.TypeEngine[Any]"]:
        import sqlalchemy as sa

        inspector = sa.inspect(self.connection)
        try:
            return {item["name"]: item["type"] for item in inspector.get_columns(self.name, schema=self.schema)}
        except sa.exc.NoSuchTableError:
            known = inspector.get_table_names(schema=self.schema) + inspector.get_view_names(schema=self.schema)
            near = difflib.get_close_matches(self.name, known, n=1)
            hint = f"do you mean {near[0]!r}?" if near else f"there: {', '.join(sorted(known)[:20]) or 'no table'}"
            raise AnswerError(
                f"{self.label} is not there ({hint}), or the user may not see it. "
                f"Correct physicalName of {self.table.name} in the contract, or grant the user the right to read it."
            ) from None

    def _columns(self, found: Mapping[str, "sa.types.TypeEngine[Any]"]) -> tuple[list[_Column], tuple[str, ...]]:
        """The columns to select, and the names of those that are left out."""
        described = [column.physical_name for column in self.table.columns]
        unknown = [name for name in found if name not in described]
        missing = [name for name in described if name not in found]
        if missing and not self.origin.all_columns:
            near = {name: difflib.get_close_matches(name, unknown, n=1) for name in missing}
            told = [f"{name!r} (renamed to {likely[0]!r}?)" if likely else repr(name) for name, likely in near.items()]
            raise AnswerError(
                f"{self.label} has no column {', '.join(told)}. Correct physicalName in the contract, or ask its owner."
            )
        wanted = list(found) if self.origin.all_columns else described
        return [self._column(name, found[name]) for name in wanted], () if self.origin.all_columns else tuple(unknown)

    def _column(self, name: str, kind: "sa.types.TypeEngine[Any]") -> _Column:
        import pyarrow as pa
        import sqlalchemy as sa

        column: sa.ColumnClause[Any] = sa.column(name, kind)
        if self.weakly_typed:
            # SQLite's columns hold values of any type: all land as text, and the loader says which rows do not fit.
            return _Column(name, sa.column(name, sa.types.NullType()), pa.string(), _text)
        match kind:
            case sa.Boolean():
                return _Column(name, column, pa.bool_(), None)
            case sa.Integer():
                return _Column(name, column, pa.int64(), None)
            case sa.Float():
                return _Column(name, column, pa.float64(), None)
            case sa.Numeric(precision=int(precision), scale=int(scale)) if 0 <= scale <= precision <= 38:
                return _Column(name, column, pa.decimal128(precision, scale), None)
            case sa.Numeric():
                return _Column(name, column, pa.string(), _text)
            case sa.DateTime():
                return _Column(name, column, pa.timestamp("us"), None, utc=bool(kind.timezone))
            case sa.Date():
                return _Column(name, column, pa.date32(), None)
            case sa.ARRAY():
                return _Column(name, column, pa.string(), _json)
            case sa.Enum():
                return _Column(name, sa.cast(column, sa.Text), pa.string(), None)
            case sa.String():
                return _Column(name, column, pa.string(), None)
            case sa.LargeBinary():
                return _Column(name, column, pa.string(), _text)
            case _:
                return _Column(name, sa.cast(column, sa.Text), pa.string(), _text)

    def _chunks(
        self, columns: Sequence[_Column], found: Mapping[str, "sa.types.TypeEngine[Any]"], window: Window
    ) -> Iterator[Sequence[Sequence[Any]]]:
        """The window's rows and a few at its edges, some at a time; the cursor stands behind the last column."""
        import sqlalchemy as sa

        if window.is_empty:
            return
        query = sa.select(*(column.expression.label(column.name) for column in columns)).select_from(
            sa.table(self.name, schema=self.schema)
        )
        if self.origin.cursor is not None:
            cursor = self._cursor(found)
            query = query.add_columns(cursor.label("_kindred_cursor")).where(self._condition(cursor, found, window))
        keys = [column.physical_name for column in self.table.keys if column.physical_name in found]
        order: list[sa.ColumnElement[Any]] = [
            sa.column(name) for name in dict.fromkeys([*([self.origin.cursor] if self.origin.cursor else []), *keys])
        ]
        # The order makes the same rows the same file, and lets the next key of a tie be found.
        result = self.connection.execution_options(yield_per=self.chunk_rows).execute(query.order_by(*order))
        for rows in result.partitions(self.chunk_rows):
            yield list(zip(*rows, strict=True))

    def _cursor(self, found: Mapping[str, "sa.types.TypeEngine[Any]"]) -> "sa.ColumnElement[Any]":
        import sqlalchemy as sa

        name = self.origin.cursor
        assert name is not None
        if self.weakly_typed:
            return sa.column(name, sa.types.NullType())
        column: sa.ColumnElement[Any] = sa.column(name, found[name])
        if isinstance(found[name], sa.String) and self.connection.dialect.name == "postgresql":
            # Text is compared here by code point; the database's locale may order it otherwise.
            return sa.collate(column, "C")
        return column

    def _condition(
        self, cursor: "sa.ColumnElement[Any]", found: Mapping[str, "sa.types.TypeEngine[Any]"], window: Window
    ) -> "sa.ColumnElement[bool]":
        """The window in SQL, its edges included. Rows without a cursor come every day, for the gate to show them."""
        import sqlalchemy as sa

        parts: list[sa.ColumnElement[bool]] = []
        if window.lower is not None:
            parts.append(cursor >= window.lower.cursor)
        if window.upper is not None:
            parts.append(cursor <= window.upper.cursor)
        if window.before is not None:
            assert self.origin.cursor is not None
            parts.append(cursor < self._moment(window.before, found[self.origin.cursor]))
        return sa.or_(cursor.is_(None), sa.and_(sa.true(), *parts))

    def _moment(self, moment: datetime, kind: "sa.types.TypeEngine[Any]") -> datetime | date | str:
        """A time as the cursor column holds times: with zone, without (then in UTC), as a date, or as ISO text."""
        import sqlalchemy as sa

        if self.weakly_typed or isinstance(kind, sa.String):
            return moment.date().isoformat()
        if isinstance(kind, sa.DateTime):
            return moment if kind.timezone else moment.replace(tzinfo=None)
        return moment.date()

    def _within(self, chunk: Sequence[Sequence[Any]], window: Window, tracker: Tracker) -> Sequence[Sequence[Any]]:
        """The chunk's columns (without the cursor) of the rows inside the window; the tracker hears of them."""
        if self.origin.cursor is None:
            return chunk
        *values, cursors = chunk
        self._check_cursors(cursors)
        if not window.edges.isdisjoint(cursors):
            inside = [
                cursor not in window.edges or window.takes(cursor, _mark(values, i)) for i, cursor in enumerate(cursors)
            ]
            values = [[value for value, keep in zip(column, inside, strict=True) if keep] for column in values]
            cursors = [cursor for cursor, keep in zip(cursors, inside, strict=True) if keep]
        top = max((cursor for cursor in cursors if cursor is not None), default=None)
        if tracker.cares(top):
            for i, cursor in enumerate(cursors):
                if cursor == top and tracker.cares(top):
                    tracker.take(top, _mark(values, i))
        return values

    def _check_cursors(self, cursors: Sequence[Any]) -> None:
        allowed = _CURSOR_TYPES.get(self.origin.cursor_type, (int, float, Decimal))
        wrong = {type(value) for value in cursors} - {*allowed, type(None)}
        if wrong or len({type(value) for value in cursors} - {type(None)}) > 1:
            found = ", ".join(sorted({type(value).__name__ for value in cursors} - {"NoneType"}))
            raise AnswerError(
                f"{self.label}: the cursor column {self.origin.cursor} holds values of the type {found}, the contract "
                f"says {self.origin.cursor_type}: what is new cannot be told. Correct the contract or choose another "
                "cursorColumn."
            )

    def _batch(
        self, values: Sequence[Sequence[Any]], columns: Sequence[_Column], schema: "pa.Schema"
    ) -> "pa.RecordBatch":
        import pyarrow as pa

        arrays = []
        for column, items in zip(columns, values, strict=True):
            try:
                converted = items if column.convert is None else [_maybe(column.convert, item) for item in items]
                if column.utc:
                    # The loader's timestamps have no zone and mean UTC.
                    array = pa.array(converted, pa.timestamp("us", tz="UTC")).cast(column.arrow_type)
                else:
                    array = pa.array(converted, column.arrow_type)
            except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, ValueError) as error:
                raise AnswerError(
                    f"{self.label}: a value of the column {column.name} does not fit {column.arrow_type}, the type that "
                    "the database says it has. Deliver the column through a view that casts it to text."
                ) from error
            arrays.append(array)
        return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _mark(values: Sequence[Sequence[Any]], i: int) -> str:
    return mark_of(_zoneless(column[i]) for column in values)


def _zoneless(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo is not None else value


def _maybe(convert: Callable[[Any], Any], value: Any) -> Any:
    return None if value is None else convert(value)


def _text(value: Any) -> str:
    return value.hex() if isinstance(value, bytes | memoryview) else str(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)

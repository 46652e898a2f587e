"""Opening the ledger: where it lies, its tables, and transactions in which nobody else writes.

Belongs here: the engine, SQLite's settings, and who is acting. Does not belong here: any decision or audit entry.
"""

import getpass
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.ledger.errors import LedgerError

if TYPE_CHECKING:
    import sqlalchemy as sa

    from orchestration.config import Settings

# Decisions are short; whoever waits longer than this for the other writer has met a program that hangs.
_BUSY_SECONDS = 30
# Databases limit the values of one statement.
_READ_AT_ONCE = 500
_WRITES = "kindred_writes"


def ledger_url(settings: "Settings") -> str:
    """The ledger's SQLAlchemy URL: KINDRED_LEDGER_URL, else a SQLite file in the data folder."""
    return settings.ledger_url or f"sqlite:///{settings.data / 'ledger' / 'ledger.sqlite'}"


def current_actor() -> str:
    """Who is acting: KINDRED_USER, else the user of the operating system."""
    named = os.environ.get("KINDRED_USER", "").strip()
    if named:
        return named
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # A container's user may have no name.
        return f"uid {os.getuid()}"


class Ledger:
    """The ledger at one URL. Opening it creates nothing; the first write makes the file and the tables."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine: sa.Engine | None = None

    @classmethod
    def of(cls, settings: "Settings") -> "Ledger":
        """The ledger that the settings name."""
        return cls(ledger_url(settings))

    @contextmanager
    def reading(self) -> "Iterator[sa.Connection | None]":
        """A connection to read from, or None when nothing was ever written. Raises LedgerError."""
        import sqlalchemy as sa

        file = self._file()
        if file is not None and not file.exists():
            yield None
            return
        with self._opened("read") as engine, engine.connect() as connection:
            yield connection if sa.inspect(connection).has_table("audit_log") else None

    @contextmanager
    def writing(self) -> "Iterator[sa.Connection]":
        """A transaction in which nobody else writes: all of it or nothing. Raises LedgerError."""
        from orchestration.ledger.tables import metadata

        file = self._file()
        if file is not None:
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise LedgerError(f"the ledger's folder {file.parent} cannot be made: {error.strerror}") from error
        with self._opened("written") as engine, engine.execution_options(**{_WRITES: True}).begin() as connection:
            metadata.create_all(connection)
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("lock table audit_head in exclusive mode")
            yield connection

    def rows_of_records(self, table: "sa.Table", record_ids: Iterable[str] | None = None) -> "list[sa.Row[Any]]":
        """Rows of a table with a column `record_id`: those of some records, or all. Raises LedgerError."""
        import sqlalchemy as sa

        with self.reading() as connection:
            if connection is None or not sa.inspect(connection).has_table(table.name):
                return []
            if record_ids is None:
                return list(connection.execute(sa.select(table)))
            wanted = sorted(set(record_ids))
            batches = [wanted[start : start + _READ_AT_ONCE] for start in range(0, len(wanted), _READ_AT_ONCE)]
            return [
                row
                for batch in batches
                for row in connection.execute(sa.select(table).where(table.c.record_id.in_(batch)))
            ]

    def close(self) -> None:
        """Let go of the database."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    @contextmanager
    def _opened(self, verb: str) -> "Iterator[sa.Engine]":
        import sqlalchemy as sa

        try:
            if self._engine is None:
                self._engine = _engine(self.url)
            yield self._engine
        except (sa.exc.OperationalError, sa.exc.ArgumentError, sa.exc.NoSuchModuleError) as error:
            cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
            raise LedgerError(
                f"the ledger at {self._shown()} cannot be {verb}: {cause}. Decisions of people are kept there; make it "
                "reachable (KINDRED_LEDGER_URL), or wait for the program that holds it."
            ) from error

    def _file(self) -> Path | None:
        """The SQLite file, or None for another database."""
        import sqlalchemy as sa

        try:
            url = sa.make_url(self.url)
        except sa.exc.ArgumentError as error:
            raise LedgerError(f"KINDRED_LEDGER_URL is no database URL (driver://host/name): {error}") from error
        if url.get_backend_name() != "sqlite" or not url.database:
            return None
        # SQLite's own way to name a file, with options such as mode=ro behind it.
        return Path(url.database.removeprefix("file:"))

    def _shown(self) -> str:
        import sqlalchemy as sa

        return sa.make_url(self.url).render_as_string(hide_password=True)


def _engine(url: str) -> "sa.Engine":
    import sqlalchemy as sa

    if sa.make_url(url).get_backend_name() != "sqlite":
        return sa.create_engine(url)
    # No pool: the last connection to close folds SQLite's log back into the file, and copies of the file are whole.
    engine = sa.create_engine(url, poolclass=sa.NullPool)

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        # The driver would begin transactions late and by itself: a reader would then become a writer half-way.
        connection.isolation_level = None
        connection.execute(f"pragma busy_timeout = {_BUSY_SECONDS * 1000}")
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = full")
        connection.execute("pragma foreign_keys = on")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: "sa.Connection") -> None:
        # A writer takes its lock before it reads, so that no other appends between the two.
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("begin immediate" if writes else "begin")

    return engine

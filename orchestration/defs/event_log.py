"""Dagster's SQLite event log with its connections kept open.

Dagster's own makes a SQLAlchemy engine for every event, and with it compiles every statement anew: of a daily run on the
sample this took about a third of the processor's time. Named in the generated dagster.yaml; everything but the
connection is Dagster's.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection, Engine

BUSY_TIMEOUT_SECONDS = 300


class PooledSqliteEventLogStorage(SqliteEventLogStorage):
    """`SqliteEventLogStorage` with one engine per file, kept for the life of the process."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: dict[str, Engine] = {}
        self._made: set[str] = set()
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(
        cls,
        inst_data: ConfigurableClassData | None,
        config_value: Any,  # Dagster's own signatures disagree on it
    ) -> "PooledSqliteEventLogStorage":
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            engine = self._engines.get(shard)
            if engine is None:
                engine = self._engines[shard] = self._open(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    # What follows is asked once or more for every event. What an upgrade has made stays.
    def has_table(self, table_name: str) -> bool:
        ask = super().has_table
        return self._is_made(f"table {table_name}", lambda: ask(table_name))

    def has_secondary_index(self, name: str) -> bool:
        ask = super().has_secondary_index
        return self._is_made(f"index {name}", lambda: ask(name))

    def has_asset_key_col(self, column_name: str) -> bool:
        ask = super().has_asset_key_col
        return self._is_made(f"column {column_name}", lambda: ask(column_name))

    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        ask = super()._has_asset_key_col_on_connection
        return self._is_made(f"column {column_name}", lambda: ask(conn, column_name))

    def _is_made(self, name: str, ask: Callable[[], bool]) -> bool:
        if name not in self._made and ask():
            self._made.add(name)
        return name in self._made

    def _open(self, shard: str) -> Engine:
        engine = sqlalchemy.create_engine(
            self.conn_string_for_shard(shard),
            connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
        )

        @sqlalchemy.event.listens_for(engine, "connect")
        def _tune(connection: Any, _: Any) -> None:
            # In WAL mode this cannot corrupt the file; a power cut may cost the last events, which a new run writes. Dagster
            # turns that mode on behind making the tables, which costs a flush to disk for each.
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma synchronous = normal")

        self._initdb(engine)
        self._initialized_dbs.add(shard)
        return engine

    def dispose(self) -> None:
        for engine in self._engines.values():
            engine.dispose()
        self._engines.clear()
        super().dispose()

"""Reaching a database: its address from contract and environment, a read-only transaction, another attempt.

Belongs here: engines, connections and what their failures mean. Does not belong here: any query.
"""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from orchestration.sources.contract import Contract
from orchestration.sources.extract.environment import Environment, value_of
from orchestration.sources.extract.errors import AccessError, AnswerError, ExtractError, UnreachableError
from orchestration.sources.servers import SqlServer

if TYPE_CHECKING:
    import sqlalchemy as sa

ATTEMPTS = 3
_FIRST_WAIT_SECONDS = 0.5
_CONNECT_TIMEOUT_SECONDS = 10
# Drivers raise the same class for a server that is away and for one that refuses; only the words tell them apart.
_REFUSALS = ("authentication failed", "no password supplied", "access denied", "login failed", "permission denied")
_WITH_TIMEOUT = {"psycopg", "pymysql", "mysqldb", "psycopg2"}

_Result = TypeVar("_Result")


def connected(
    contract: Contract,
    server: SqlServer,
    work: Callable[["sa.Connection"], _Result],
    environment: Environment | None = None,
) -> _Result:
    """Do the work within one read-only transaction; begin it anew, twice, when the connection breaks.

    Raises:
        UnreachableError: the database does not answer.
        AccessError: a credential is missing or refused, or a right is missing.
        AnswerError: a query failed for another reason.
    """
    import sqlalchemy as sa

    engine = _engine(contract, server, environment)
    label = f"{contract.source}: database {engine.url.database or ''} on {engine.url.host or 'this machine'}"
    try:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with engine.connect() as connection:
                    _begin(connection)
                    return work(connection)
            except sa.exc.DBAPIError as error:
                reason = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else "no reason given"
                if any(words in str(error.orig).lower() for words in _REFUSALS):
                    raise AccessError(
                        f"{label} refuses access: {reason}. Check the user, the password's environment variable and "
                        "the user's rights."
                    ) from error
                if not isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError):
                    raise AnswerError(f"{label}: {reason}") from error
                if attempt == ATTEMPTS:
                    raise UnreachableError(
                        f"{label} cannot be read after {ATTEMPTS} attempts: {reason}. "
                        "Check that it runs and that host and port in the contract are right, then run the day again."
                    ) from error
                time.sleep(_FIRST_WAIT_SECONDS * 2 ** (attempt - 1))
        raise AssertionError("unreachable: the last attempt returns or raises")
    finally:
        engine.dispose()


def _begin(connection: "sa.Connection") -> None:
    """Make all reads of the connection see one state of the database, and forbid writing where it can be forbidden."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("set transaction isolation level repeatable read, read only")
    elif connection.dialect.name == "sqlite":
        # Python's driver begins no transaction for a select by itself.
        connection.exec_driver_sql("begin")


def _engine(contract: Contract, server: SqlServer, environment: Environment | None) -> "sa.Engine":
    import sqlalchemy as sa

    url = _url(contract, server, environment)
    options: dict[str, Any] = {"poolclass": sa.pool.NullPool}
    try:
        if url.get_backend_name() == "sqlite" and url.database:
            return sa.create_engine(url, creator=_read_only(contract, Path(url.database)), **options)
        if url.get_driver_name() in _WITH_TIMEOUT:
            options["connect_args"] = {"connect_timeout": _CONNECT_TIMEOUT_SECONDS}
        return sa.create_engine(url, **options)
    except (sa.exc.NoSuchModuleError, ModuleNotFoundError) as error:
        raise ExtractError(
            f"{contract.source}: no driver for {url.drivername!r} is installed ({error}). Install the Python package of "
            "the driver into Kindred's environment; Postgres and SQLite need none."
        ) from error


def _url(contract: Contract, server: SqlServer, environment: Environment | None) -> "sa.URL":
    import sqlalchemy as sa

    if server.url_variable is not None:
        try:
            url = sa.make_url(value_of(contract, server.url_variable, environment))
        except (sa.exc.ArgumentError, ValueError):
            # The cause is not chained: it may quote the address with its password.
            raise AccessError(
                f"{contract.source}: the environment variable {server.url_variable} holds no SQLAlchemy address "
                "(dialect+driver://user:password@host:port/database)"
            ) from None
        return url.set(drivername="postgresql+psycopg") if url.drivername in ("postgresql", "postgres") else url
    user = value_of(contract, server.user_variable, environment) if server.user_variable else server.user
    password = value_of(contract, server.password_variable, environment) if server.password_variable else None
    return sa.URL.create(
        server.dialect, username=user, password=password, host=server.host, port=server.port, database=server.database
    )


def _read_only(contract: Contract, path: Path) -> Callable[[], sqlite3.Connection]:
    if not path.is_file():
        raise UnreachableError(f"{contract.source}: there is no SQLite file {path}; correct the path in the contract")
    return lambda: sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)

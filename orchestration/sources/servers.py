"""Where a source's data lies: the `servers` of a contract, read and checked into one small type per kind of server.

Belongs here: the server fields of the Open Data Contract Standard, the custom properties for what it lacks, and the
refusal of secrets in a contract. Does not belong here: connecting to anything (see `extract`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from open_data_contract_standard.model import Server

from orchestration.sources.errors import ContractError
from orchestration.sources.options import Options

FileFormat = Literal["csv", "jsonl", "parquet"]
PageStyle = Literal["none", "page", "offset", "cursor", "next_link", "link"]
AuthScheme = Literal["none", "bearer", "header", "basic", "parameter"]

# Our name of a database, the standard's names of it, and SQLAlchemy's with the driver that Kindred brings or expects.
_DIALECTS = {
    "postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg", "cloudsql": "postgresql+psycopg",
    "redshift": "postgresql+psycopg", "mysql": "mysql+pymysql", "sqlserver": "mssql+pyodbc",
    "oracle": "oracle+oracledb", "snowflake": "snowflake", "databricks": "databricks", "trino": "trino",
    "duckdb": "duckdb", "custom": "",
}  # fmt: skip
_FORMATS = ("csv", "jsonl", "parquet")
_DATE_IN_PATH = re.compile(r"\{date(?::(?P<format>[^{}]*))?\}")


@dataclass(frozen=True, kw_only=True)
class FileServer:
    """How the landed files of a source are written. Every kind of server lands files, so every kind is one of these."""

    format: FileFormat
    delimiter: str = ","
    encoding: str = "utf-8"
    quote: str = '"'
    escape: str = '"'
    header: bool = True
    """Whether the first line of a CSV names the columns; without, they stand in the contract's order."""
    null_values: tuple[str, ...] = ()
    """CSV texts that mean no value, besides the empty one."""


@dataclass(frozen=True, kw_only=True)
class LocalServer(FileServer):
    """Files that others put into landing, or (with a folder) that are copied there from a folder of this machine."""

    folder: str | None = None
    """Absolute, may hold `{date}`; None when files are put into landing directly."""
    marker: str | None = None
    """A file that must lie in the folder before the day is taken."""


@dataclass(frozen=True, kw_only=True)
class S3Server(FileServer):
    """Files in a bucket, below a prefix that may hold `{date}` or `{date:%Y/%m/%d}`."""

    bucket: str
    prefix: str
    endpoint_url: str | None
    region: str | None
    access_key_variable: str | None
    secret_key_variable: str | None
    session_token_variable: str | None
    anonymous: bool
    marker: str | None


@dataclass(frozen=True, kw_only=True)
class SqlServer(FileServer):
    """A database that SQLAlchemy reaches. Rows are landed as Parquet, `chunk_rows` at a time."""

    dialect: str
    """SQLAlchemy's `dialect+driver`; empty when the address comes from `url_variable`."""
    host: str | None
    port: int | None
    database: str | None
    """Name of the database; for SQLite the absolute path of its file."""
    schema: str | None
    user: str | None
    user_variable: str | None
    password_variable: str | None
    url_variable: str | None
    chunk_rows: int


@dataclass(frozen=True)
class Paging:
    """How an endpoint hands out its pages. Paths are dotted steps into the body."""

    style: PageStyle = "none"
    parameter: str = "page"
    """The query parameter that chooses the page: a number, an offset, or the cursor of the body."""
    first: int = 1
    size_parameter: str | None = None
    size: int = 100
    next_path: str | None = None
    """Where the body holds the next cursor, or the next address."""
    total_path: str | None = None
    """Where the body holds the number of pages (style page) or of records (style offset), if it does."""


@dataclass(frozen=True)
class Auth:
    """How requests prove who asks; the secret itself is read from the environment when it is needed."""

    scheme: AuthScheme = "none"
    variable: str | None = None
    name: str = "Authorization"
    """The header, or the query parameter, that carries the token."""
    user: str | None = None
    user_variable: str | None = None


@dataclass(frozen=True, kw_only=True)
class ApiServer(FileServer):
    """A REST API that answers in JSON. Records are landed as JSON Lines, one record a line, as they came."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    auth: Auth = Auth()
    paging: Paging = Paging()
    requests_per_second: float | None = None
    timeout_seconds: float = 30.0
    attempts: int = 6
    max_wait_seconds: float = 300.0
    """A server that asks for a longer wait stops the extraction; what came so far is kept for the next attempt."""


@dataclass(frozen=True)
class Origin:
    """Where one table's rows come from on a server that is asked (a database, an API)."""

    name: str
    """The table in the database, or the path of the endpoint below the server's address."""
    cursor: str | None = None
    """Physical name of the column that says what is new; None takes the whole table."""
    cursor_type: str = "varchar"
    """DuckDB type of that column in the contract."""
    all_columns: bool = False
    """Land columns that the contract does not describe, too, so that the drift policy sees them."""
    records_path: str | None = None
    """API: where the body holds the list of records; None when the body is the list."""
    since_parameter: str | None = None
    """API: the query parameter that takes the cursor to begin from; without, everything is read and filtered here."""
    until_parameter: str | None = None
    """API: the query parameter that takes the end of the load date (exclusive)."""
    parameters: Mapping[str, str] = field(default_factory=dict)


def on_day(template: str, load_date: date) -> str:
    """Put the load date into `{date}` (ISO) and `{date:<strftime>}`."""
    return _DATE_IN_PATH.sub(lambda match: load_date.strftime(match["format"] or "%Y-%m-%d"), template)


def has_date(template: str) -> bool:
    """Whether the path names a load date's own place."""
    return _DATE_IN_PATH.search(template) is not None


def read_server(server: Server, contract_folder: Path) -> FileServer:
    """The typed server of a contract. Relative paths of database files count from the contract's folder.

    Raises ContractError for a type that is not supported and for a field that is missing or not understood.
    """
    where = "servers[0]"
    options = Options(server.customProperties, f"{where}.customProperties")
    kind = (server.type or "").lower()
    if kind == "local":
        result: FileServer = _local(server, options, where)
    elif kind == "s3":
        result = _s3(server, options, where)
    elif kind == "api":
        result = _api(server, options, where)
    elif kind in _DIALECTS:
        result = _sql(server, kind, options, where, contract_folder)
    else:
        known = ", ".join(sorted(["local", "s3", "api", *_DIALECTS]))
        raise ContractError(
            f"{where}.type: {server.type!r} is not supported; known are {known}. "
            "Any other database that SQLAlchemy reaches is 'custom' (the standard's word) with customProperties.dialect, "
            "such as sqlite or mysql+pymysql, or with customProperties.urlVariable."
        )
    options.finish()
    return result


def read_origin(server: SqlServer | ApiServer, name: str, options: Options, cursor: tuple[str, str] | None) -> Origin:
    """Where a table's rows come from on a server that is asked.

    `cursor` is the physical name and the DuckDB type of the column that says what is new. The options belong to others,
    too: only those of the connector are taken.
    """
    column, column_type = cursor or (None, "varchar")
    if isinstance(server, SqlServer):
        return Origin(
            name=name,
            cursor=column,
            cursor_type=column_type,
            all_columns=options.choice("columns", ("contract", "all"), "contract") == "all",
        )
    return Origin(
        name=name,
        cursor=column,
        cursor_type=column_type,
        records_path=options.text("recordsPath"),
        since_parameter=options.text("sinceParameter"),
        until_parameter=options.text("untilParameter"),
        parameters=options.texts("parameters"),
    )


def landed_glob(server: FileServer, physical_name: str | None, name: str) -> str:
    """Which landed files hold a table: what the contract says for files, one file that we name for what is asked."""
    if isinstance(server, SqlServer):
        return f"{name}.parquet"
    if isinstance(server, ApiServer):
        return f"{name}.jsonl"
    return physical_name or f"{name}*"


def _file_layout(server: Server, options: Options, where: str) -> dict[str, Any]:
    format = "jsonl" if server.format in ("json", "ndjson") else server.format
    if format not in _FORMATS:
        raise ContractError(f"{where}.format: {server.format!r} is not one of {', '.join(_FORMATS)}")
    quote = options.text("quote") or '"'
    return {
        "format": format,
        # The standard has no delimiter for local files, and means something else by that of a bucket.
        "delimiter": options.text("delimiter") or server.delimiter or ",",
        "encoding": (server.encoding or "utf-8").lower(),
        "quote": quote,
        "escape": options.text("escape") or quote,
        "header": options.flag("header", True),
        "null_values": options.list("nullValues"),
    }


def _local(server: Server, options: Options, where: str) -> LocalServer:
    path = server.path or (server.location or "").removeprefix("file://") or None
    absolute = path is not None and Path(path).is_absolute()
    return LocalServer(
        folder=path if absolute else None,
        marker=options.text("marker"),
        **_file_layout(server, options, where),
    )


def _s3(server: Server, options: Options, where: str) -> S3Server:
    location = server.location or ""
    if not location.startswith("s3://") or not (address := location.removeprefix("s3://").partition("/"))[0]:
        raise ContractError(f"{where}.location: {location!r} is not s3://<bucket>/<prefix>")
    access, secret = options.text("accessKeyVariable"), options.text("secretKeyVariable")
    if (access is None) != (secret is None):
        raise ContractError(f"{where}.customProperties: accessKeyVariable and secretKeyVariable belong together")
    prefix = address[2]
    return S3Server(
        bucket=address[0],
        prefix=prefix if not prefix or prefix.endswith("/") else f"{prefix}/",
        endpoint_url=_http_url(server.endpointUrl, f"{where}.endpointUrl") if server.endpointUrl else None,
        region=server.region or server.regionName or options.text("region"),
        access_key_variable=access,
        secret_key_variable=secret,
        session_token_variable=options.text("sessionTokenVariable"),
        anonymous=options.flag("anonymous", False),
        marker=options.text("marker"),
        **_file_layout(server, options, where),
    )


def _sql(server: Server, kind: str, options: Options, where: str, folder: Path) -> SqlServer:
    dialect, url_variable = _DIALECTS[kind], options.text("urlVariable")
    dialect = options.text("dialect") or dialect
    database = server.database or server.path
    if dialect.startswith("sqlite") and not url_variable:
        if not database:
            raise ContractError(f"{where}.path: the path of the SQLite file is missing")
        database = str((folder / Path(database).expanduser()).resolve())
    elif not url_variable and (not dialect or not (server.host and database)):
        raise ContractError(
            f"{where}: host and database are needed (and customProperties.dialect for type custom), or "
            "customProperties.urlVariable with the name of an environment variable that holds the SQLAlchemy address"
        )
    return SqlServer(
        format="parquet",
        dialect=dialect,
        host=server.host,
        port=_port(server.port, where),
        database=database,
        schema=server.schema_,
        user=options.text("user"),
        user_variable=options.text("userVariable"),
        password_variable=options.text("passwordVariable"),
        url_variable=url_variable,
        chunk_rows=options.integer("chunkRows", 50_000, minimum=1),
    )


def _api(server: Server, options: Options, where: str) -> ApiServer:
    url = _http_url(server.location or server.endpointUrl, f"{where}.location").rstrip("/")
    return ApiServer(
        format="jsonl",
        url=url,
        headers=options.texts("headers"),
        auth=_auth(options.section("auth")),
        paging=_paging(options.section("paging")),
        requests_per_second=options.number("requestsPerSecond", None, minimum=0.001),
        timeout_seconds=options.number("timeoutSeconds", 30.0, minimum=0.1) or 30.0,
        attempts=options.integer("attempts", 6, minimum=1),
        max_wait_seconds=options.number("maxWaitSeconds", 300.0, minimum=0) or 0.0,
    )


def _auth(options: Options) -> Auth:
    scheme: Any = options.choice("scheme", ("none", "bearer", "header", "basic", "parameter"), "none")
    default = {"header": "X-Api-Key", "parameter": "api_key"}.get(scheme, "Authorization")
    auth = Auth(
        scheme=scheme,
        variable=options.text("variable"),
        name=options.text("name") or default,
        user=options.text("user"),
        user_variable=options.text("userVariable"),
    )
    options.finish()
    if auth.scheme != "none" and not auth.variable:
        raise ContractError(f"{options.where}.variable: name the environment variable that holds the token")
    if auth.scheme == "basic" and not (auth.user or auth.user_variable):
        raise ContractError(f"{options.where}: basic authentication needs user or userVariable")
    return auth


def _paging(options: Options) -> Paging:
    style: Any = options.choice("style", ("none", "page", "offset", "cursor", "next_link", "link"), "none")
    parameters = {"page": "page", "offset": "offset", "cursor": "cursor"}
    sizes = {"page": "per_page", "offset": "limit"}
    paging = Paging(
        style=style,
        parameter=options.text("parameter") or parameters.get(style, ""),
        first=options.integer("first", 0 if style == "offset" else 1, minimum=0),
        size_parameter=options.text("sizeParameter") or sizes.get(style),
        size=options.integer("size", 100, minimum=1),
        next_path=options.text("nextPath"),
        total_path=options.text("totalPath"),
    )
    options.finish()
    if style in ("cursor", "next_link") and not paging.next_path:
        raise ContractError(f"{options.where}.nextPath: where in the body does the next page's {style} stand?")
    return paging


def _port(value: int | str | None, where: str) -> int | None:
    if value is None or (str(value).isdecimal() and 0 < int(value) < 65536):
        return int(value) if value is not None else None
    raise ContractError(f"{where}.port: {value!r} is not a port")


def _http_url(value: str | None, where: str) -> str:
    parts = urlsplit(value or "")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ContractError(f"{where}: {value!r} is no http(s) address")
    return value or ""

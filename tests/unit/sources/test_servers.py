"""Servers of contracts are read into what connectors need, and what is wrong is refused with its place."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestration.config import PROJECT_ROOT
from orchestration.sources.contract import Contract, ContractError, load_contract
from orchestration.sources.extract import is_asked
from orchestration.sources.servers import ApiServer, LocalServer, S3Server, SqlServer, has_date, on_day

CRM = PROJECT_ROOT / "data" / "contracts" / "crm.odcs.yaml"


def read(tmp_path: Path, server: dict[str, Any], table: dict[str, Any] | None = None, **custom: Any) -> Contract:
    """The sample's contract with another server."""
    content = yaml.safe_load(CRM.read_text())
    content["servers"] = [
        {
            "server": "s",
            **server,
            "customProperties": [{"property": name, "value": value} for name, value in custom.items()],
        }
    ]
    for name, value in (table or {}).items():
        content["schema"][0]["customProperties"].append({"property": name, "value": value})
    path = tmp_path / "crm.odcs.yaml"
    path.write_text(yaml.safe_dump(content))
    return load_contract(path)


POSTGRES = {"type": "postgres", "host": "db", "database": "shop"}
API = {"type": "api", "location": "https://api.example.com/v1/"}
S3 = {"type": "s3", "location": "s3://bucket/a/{date}", "format": "csv"}


def test_each_type_gives_its_server(tmp_path: Path) -> None:
    sql = read(tmp_path, {**POSTGRES, "port": "5433", "schema": "sales"}, passwordVariable="PW").server
    assert isinstance(sql, SqlServer)
    assert (sql.dialect, sql.port, sql.schema, sql.format) == ("postgresql+psycopg", 5433, "sales", "parquet")
    api = read(tmp_path, API, paging={"style": "cursor", "nextPath": "next"})
    assert isinstance(api.server, ApiServer)
    assert (api.server.url, api.server.format, api.tables[0].file_glob) == (
        "https://api.example.com/v1", "jsonl", f"{api.tables[0].name}.jsonl",
    )  # fmt: skip
    bucket = read(tmp_path, S3).server
    assert isinstance(bucket, S3Server)
    assert (bucket.bucket, bucket.prefix) == ("bucket", "a/{date}/")
    lite = read(tmp_path, {"type": "custom", "path": "shop.db"}, dialect="sqlite").server
    assert isinstance(lite, SqlServer)
    assert lite.database == str(tmp_path / "shop.db")


def test_files_in_landing_are_not_asked_for_and_a_folder_elsewhere_is(tmp_path: Path) -> None:
    assert not is_asked(load_contract(CRM))
    away = read(tmp_path, {"type": "local", "path": "/exports/{date}", "format": "csv"})
    assert isinstance(away.server, LocalServer)
    assert away.server.folder == "/exports/{date}"
    assert is_asked(away)
    assert is_asked(read(tmp_path, POSTGRES))


def test_the_version_column_says_what_is_new_unless_another_is_named(tmp_path: Path) -> None:
    table = read(tmp_path, POSTGRES).tables[0]
    assert table.version_column is not None
    version = next(column for column in table.columns if column.name == table.version_column)
    assert table.origin is not None
    assert table.origin.cursor == version.physical_name


@pytest.mark.parametrize(
    ("server", "table", "custom", "message"),
    [
        ({"type": "ftp"}, {}, {}, r"servers\[0\].type: 'ftp' is not supported; known are api"),
        ({"type": "sqlite", "path": "x"}, {}, {}, "is 'custom' .the standard's word. with customProperties.dialect"),
        ({"type": "local", "format": "xml"}, {}, {}, "format: 'xml' is not one of csv, jsonl, parquet"),
        ({"type": "s3", "location": "bucket/a", "format": "csv"}, {}, {}, "'bucket/a' is not s3://"),
        (S3, {}, {"accessKeyVariable": "A"}, "accessKeyVariable and secretKeyVariable belong together"),
        ({"type": "postgres", "host": "db"}, {}, {}, "host and database are needed"),
        ({**POSTGRES, "port": 99999}, {}, {}, "port: 99999 is not a port"),
        (POSTGRES, {}, {"chunkRows": 0}, "chunkRows: 0 is not a whole number of at least 1"),
        (POSTGRES, {}, {"chunkRow": 5}, "chunkRow is unknown; do you mean 'chunkRows'"),
        (POSTGRES, {"cursorColumn": "nowhere"}, {}, "cursorColumn: 'nowhere' is not a column"),
        (POSTGRES, {"cursorColumn": "phone"}, {}, "'phone' must be required: true"),
        (POSTGRES, {"columns": "some"}, {}, "columns: 'some' is not one of contract, all"),
        ({"type": "api", "location": "api.example.com"}, {}, {}, "'api.example.com' is no http"),
        (API, {}, {"paging": {"style": "pages"}}, "paging.style: 'pages' is not one of none, page"),
        (API, {}, {"paging": {"style": "cursor"}}, "paging.nextPath: where in the body"),
        (API, {}, {"paging": {"style": "page", "sise": 5}}, "paging.sise is unknown; do you mean 'size'"),
        (API, {}, {"auth": {"scheme": "bearer"}}, "name the environment variable that holds the token"),
        (API, {}, {"auth": {"scheme": "basic", "variable": "PW"}}, "basic authentication needs user"),
    ],
)
def test_every_mistake_is_named_with_its_place(
    tmp_path: Path, server: dict[str, Any], table: dict[str, Any], custom: dict[str, Any], message: str
) -> None:
    with pytest.raises(ContractError, match=message) as refused:
        read(tmp_path, server, table, **custom)
    assert str(refused.value).startswith("crm.odcs.yaml: ")


def test_a_delta_needs_to_know_what_is_new(tmp_path: Path) -> None:
    content = CRM.read_text().replace("{property: versionColumn", "{property: oldColumn")
    path = tmp_path / "crm.odcs.yaml"
    loaded = yaml.safe_load(content)
    loaded["servers"] = [{"server": "s", **POSTGRES}]
    path.write_text(yaml.safe_dump(loaded))
    with pytest.raises(ContractError, match="delta delivery from a database needs cursorColumn"):
        load_contract(path)


@pytest.mark.parametrize(
    ("server", "custom"),
    [
        ({**POSTGRES, "password": "hunter2hunter2"}, {}),
        (POSTGRES, {"password": "hunter2hunter2"}),
        (POSTGRES, {"dbPassword": "hunter2hunter2"}),
        (POSTGRES, {"user": "postgresql://me:hunter2hunter2@db/shop"}),
        (POSTGRES, {"urlVariable": "postgresql://me:hunter2hunter2@db/shop"}),
        (POSTGRES, {"passwordVariable": "hunter2-hunter2-is-no-variable"}),
        (API, {"auth": {"scheme": "bearer", "token": "hunter2hunter2"}}),
        (API, {"headers": {"Authorization": "Bearer hunter2hunter2"}}),
        (API, {"headers": {"X-Api-Key": "hunter2hunter2"}}),
        ({"type": "api", "location": "https://me:hunter2hunter2@api.example.com"}, {}),
        ({"type": "api", "location": "https://api.example.com?api_key=hunter2hunter2"}, {}),
        (S3, {"secretAccessKey": "hunter2hunter2"}),
    ],
)
def test_a_secret_in_a_contract_is_refused_and_not_repeated(
    tmp_path: Path, server: dict[str, Any], custom: dict[str, Any]
) -> None:
    with pytest.raises(ContractError, match="environment variable") as refused:
        read(tmp_path, server, **custom)
    assert "hunter2" not in str(refused.value)


def test_a_secret_in_a_tables_parameters_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="holds no secrets"):
        read(tmp_path, API, {"parameters": {"access_token": "hunter2"}})


def test_a_column_may_be_called_like_a_secret(tmp_path: Path) -> None:
    content = yaml.safe_load(CRM.read_text())
    content["schema"][0]["properties"][1]["physicalName"] = "password"
    content["schema"][0]["properties"][1]["name"] = "api_token"
    path = tmp_path / "crm.odcs.yaml"
    path.write_text(yaml.safe_dump(content))
    assert load_contract(path).tables[0].columns[1].name == "api_token"


def test_the_load_date_is_put_into_a_path() -> None:
    day = date(2026, 1, 5)
    assert on_day("a/{date}/b/{date:%Y/%m/%d}", day) == "a/2026-01-05/b/2026/01/05"
    assert (has_date("a/{date:%d}"), has_date("a/date")) == (True, False)

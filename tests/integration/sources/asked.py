"""A source that is asked, for tests: its contract, its landing, a warehouse, and what each day landed."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import yaml

from orchestration.sources.contract import Contract, load_contract
from orchestration.sources.extract import LandedDay, land_day
from orchestration.sources.load import LoadResult, load_day

DAYS = [date(2026, 1, 5), date(2026, 1, 6), date(2026, 1, 7)]
NOW = datetime(2026, 1, 8, 6, tzinfo=UTC)


def column(name: str, logical_type: str = "string", **more: Any) -> dict[str, Any]:
    """A column of a contract."""
    return {"name": name, "logicalType": logical_type, "classification": "internal", **more}


def properties(values: dict[str, Any]) -> list[dict[str, Any]]:
    """The standard's way of writing custom properties."""
    return [{"property": name, "value": value} for name, value in values.items()]


PEOPLE = [
    column("id", "integer", primaryKey=True),
    column("name"),
    column("updated_at", "timestamp", required=True),
]


def table(
    name: str = "people", columns: list[dict[str, Any]] | None = None, physical: str | None = None, **custom: Any
) -> dict[str, Any]:
    """A table of a contract."""
    return {
        "name": name,
        **({"physicalName": physical} if physical else {}),
        "customProperties": properties(custom),
        "properties": columns or PEOPLE,
    }


class Asked:
    """One source over several days."""

    def __init__(
        self, folder: Path, server: dict[str, Any], tables: list[dict[str, Any]], delivery: str = "delta"
    ) -> None:
        self.path = folder / "vendor.odcs.yaml"
        self.landing = folder / "landing"
        self.environment: dict[str, str] = {}
        self.write(server, tables, delivery)

    def write(self, server: dict[str, Any], tables: list[dict[str, Any]], delivery: str = "delta") -> None:
        """Write the contract (anew)."""
        custom = properties(server.get("customProperties", {}))
        content = {
            "apiVersion": "v3.1.0",
            "kind": "DataContract",
            "id": "vendor",
            "version": "1.0.0",
            "status": "active",
            "team": {"name": "t", "members": [{"username": "owner@example.com", "role": "owner"}]},
            "servers": [{"server": "vendor", **server, "customProperties": custom}],
            "customProperties": properties({"delivery": delivery}),
            "schema": tables,
        }
        self.path.write_text(yaml.safe_dump(content))

    @property
    def contract(self) -> Contract:
        return load_contract(self.path)

    def land(self, day: date, *, again: bool = False, now: datetime = NOW) -> LandedDay:
        return land_day(self.contract, day, self.landing, again=again, now=now, environment=self.environment)

    def folder(self, day: date) -> Path:
        return self.landing / "vendor" / str(day)

    def files(self, day: date) -> dict[str, bytes]:
        """All files of the landed day, state included."""
        folder = self.folder(day)
        return {
            str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
        }

    def load(self, con: duckdb.DuckDBPyConnection, day: date, name: str = "people") -> LoadResult:
        contract = self.contract
        found = next(item for item in contract.tables if item.name == name)
        return load_day(con, contract, found, day, self.landing, "run")

    def parquet(self, day: date, select: str = "id", name: str = "people") -> list[tuple]:
        """Rows of the landed Parquet file."""
        return duckdb.sql(f"select {select} from '{self.folder(day)}/{name}.parquet' order by all").fetchall()

"""Reading a contract: the standard's loose objects turned into ours, with the path of whatever is wrong.

Belongs here: the rules that a contract has to keep, and their messages. Does not belong here: what a contract is made of
(see `contract`), servers (`servers`), and the rows that it describes (`load`).
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

import yaml
from open_data_contract_standard.model import (
    CustomProperty,
    OpenDataContractStandard,
    SchemaObject,
    SchemaProperty,
)
from pydantic import ValidationError

from orchestration.sources.contract import (
    CLASSIFICATIONS,
    CONTRACT_SUFFIX,
    LEGAL_BASES,
    ROLES,
    SEMANTICS,
    WHOLE_ROW,
    Anomalies,
    Column,
    Contract,
    Delivery,
    DriftPolicy,
    Purpose,
    Table,
    strptime_format,
)
from orchestration.sources.errors import ContractError
from orchestration.sources.options import Options, refuse_secrets
from orchestration.sources.servers import (
    ApiServer,
    FileServer,
    Origin,
    SqlServer,
    landed_glob,
    read_origin,
    read_server,
)

_LOGICAL_TYPES = {
    "string": "varchar",
    "integer": "bigint",
    "number": "double",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "timestamp",
    "object": "json",
    "array": "json",
}
_NAME = re.compile(r"^[a-z][a-z0-9_]*$")
_DECIMAL = re.compile(r"^decimal\(\d{1,2}, ?\d{1,2}\)$", re.IGNORECASE)


def read_contract(path: Path) -> Contract:
    """Read one contract file.

    Raises:
        ContractError: the file is no valid contract; the message names the file and the path inside it.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        refuse_secrets(raw)
        standard = OpenDataContractStandard.model_validate(raw)
    except yaml.YAMLError as error:
        raise ContractError(f"{path.name}: not valid YAML: {error}") from error
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(step) for step in problem['loc'])}: {problem['msg']}" for problem in error.errors()
        )
        raise ContractError(f"{path.name}: not a valid Open Data Contract: {problems}") from error
    except OSError as error:
        raise ContractError(f"{path}: cannot be read: {error.strerror}") from error
    except ContractError as error:
        raise ContractError(f"{path.name}: {error}") from None
    try:
        return _Reader(path, standard).contract()
    except ContractError as error:
        raise ContractError(f"{path.name}: {error}") from None


class _Reader:
    """Turns the standard's loose objects into ours, naming the path of whatever is wrong."""

    def __init__(self, path: Path, standard: OpenDataContractStandard) -> None:
        self.path = path
        self.standard = standard

    def contract(self) -> Contract:
        standard = self.standard
        source = self._identifier(standard.id, "id")
        expected = self.path.name.removesuffix(CONTRACT_SUFFIX)
        if source != expected:
            raise ContractError(f"id: {source!r} does not match the file name; call the file {source}{CONTRACT_SUFFIX}")
        properties = _properties(standard.customProperties)
        delivery = properties.get("delivery", "delta")
        if delivery not in ("delta", "snapshot"):
            raise ContractError(f"customProperties.delivery: {delivery!r} is neither 'delta' nor 'snapshot'")
        policy = _one_of(properties.get("driftPolicy", "strict"), get_args(DriftPolicy), "customProperties.driftPolicy")
        sla = {item.property: item for item in standard.slaProperties or []}
        frequency, retention = sla.get("frequency"), sla.get("retention")
        description = standard.description
        server = self._server()
        return Contract(
            path=self.path,
            source=source,
            title=standard.name or source,
            description=(description.purpose if description else None) or "",
            domain=standard.domain or "",
            owner=self._owner(),
            team=getattr(standard.team, "name", None) or "",
            delivery=delivery,
            daily=bool(frequency and frequency.unit in ("d", "day", "days") and frequency.value == 1),
            retention=f"{retention.value}{retention.unit or ''}" if retention else None,
            server=server,
            purposes=self._purposes(properties.get("purposes", [])),
            tables=self._tables(source, server, delivery),
            frequency_days=_whole_days(frequency.value, frequency.unit) if frequency else None,
            drift_policy=policy,
        )

    def _owner(self) -> str:
        team = self.standard.team
        members = team if isinstance(team, list) else (team.members if team else None)
        for member in members or []:
            if member.role == "owner" and member.username:
                return member.username
        raise ContractError("team.members: no member with role 'owner'; somebody has to answer for the data")

    def _server(self) -> FileServer:
        servers = self.standard.servers or []
        if len(servers) != 1:
            raise ContractError(f"servers: exactly one is needed, {len(servers)} found")
        return read_server(servers[0], self.path.parent.resolve())

    def _purposes(self, entries: list[dict[str, str]]) -> tuple[Purpose, ...]:
        purposes = []
        for i, entry in enumerate(entries):
            basis = entry.get("legalBasis")
            if basis not in LEGAL_BASES:
                raise ContractError(
                    f"customProperties.purposes[{i}]: purpose {entry.get('purpose')!r} has the legal basis {basis!r}; "
                    f"one of {', '.join(sorted(LEGAL_BASES))} is needed"
                )
            purposes.append(Purpose(entry["purpose"], basis))
        return tuple(purposes)

    def _tables(self, source: str, server: FileServer, delivery: Delivery) -> tuple[Table, ...]:
        objects = self.standard.schema_ or []
        if not objects:
            raise ContractError("schema: no table is described")
        tables = tuple(self._table(source, server, delivery, item, f"schema[{i}]") for i, item in enumerate(objects))
        _refuse_duplicates((table.name for table in tables), "schema: table name")
        return tables

    def _table(self, source: str, server: FileServer, delivery: Delivery, item: SchemaObject, where: str) -> Table:
        name = self._identifier(item.name, f"{where}.name")
        where = f"{where} ({name})"
        properties = _properties(item.customProperties)
        roles = tuple(properties.get("feeds", []))
        for role in roles:
            if role not in ROLES:
                raise ContractError(f"{where}.feeds: {role!r} is unknown; known are {', '.join(ROLES)}")
        columns = tuple(self._column(prop, f"{where}.properties[{i}]") for i, prop in enumerate(item.properties or []))
        _refuse_duplicates((column.name for column in columns), f"{where}: column name")
        _refuse_duplicates((column.physical_name for column in columns), f"{where}: physicalName")
        names = {column.name for column in columns}
        version = properties.get("versionColumn")
        if version is not None and version not in names:
            raise ContractError(f"{where}.versionColumn: {version!r} is not a column of the table")
        row_key = properties.get("rowKey")
        if row_key not in (None, WHOLE_ROW):
            raise ContractError(f"{where}.rowKey: {row_key!r} is unknown; known is {WHOLE_ROW!r}")
        if row_key is None and not any(column.primary_key for column in columns):
            raise ContractError(
                f"{where}: no column has primaryKey: true; for a table without any key set the custom property "
                f"rowKey to {WHOLE_ROW!r}, by which a row is known by all that it holds"
            )
        return Table(
            source=source,
            name=name,
            file_glob=landed_glob(server, item.physicalName, name),
            description=item.description or "",
            feeds=roles,
            version_column=version,
            columns=columns,
            quality=tuple(rule.model_dump(exclude_none=True) for rule in item.quality or []),
            origin=self._origin(server, delivery, item, name, columns, version, where),
            anomalies=_one_of(properties.get("anomalies", "warn"), get_args(Anomalies), f"{where}.anomalies"),
        )

    def _origin(
        self,
        server: FileServer,
        delivery: Delivery,
        item: SchemaObject,
        name: str,
        columns: tuple[Column, ...],
        version: str | None,
        where: str,
    ) -> Origin | None:
        """Where the rows are asked for. What is new is told by `cursorColumn`, else by the version column."""
        if not isinstance(server, SqlServer | ApiServer):
            return None
        options = Options(item.customProperties, where)
        chosen = options.text("cursorColumn")
        if delivery == "snapshot" and chosen is not None:
            raise ContractError(f"{where}.cursorColumn: a snapshot takes the whole table; set delivery to delta")
        chosen = chosen or (version if delivery == "delta" else None)
        if delivery == "delta" and chosen is None:
            raise ContractError(
                f"{where}: delta delivery from a {'database' if isinstance(server, SqlServer) else 'REST API'} needs "
                "cursorColumn (or versionColumn), the column that says what is new; or set delivery to snapshot"
            )
        cursor = next((column for column in columns if column.name == chosen), None)
        if chosen is not None and cursor is None:
            raise ContractError(f"{where}.cursorColumn: {chosen!r} is not a column of the table")
        if cursor is not None and not cursor.required:
            raise ContractError(
                f"{where}.cursorColumn: {chosen!r} must be required: true; rows without it would never count as new"
            )
        return read_origin(
            server, item.physicalName or name, options, (cursor.physical_name, cursor.type) if cursor else None
        )

    def _column(self, prop: SchemaProperty, where: str) -> Column:
        name = self._identifier(prop.name, f"{where}.name")
        where = f"{where} ({name})"
        properties = _properties(prop.customProperties)
        semantic = properties.get("semantic")
        if semantic is not None and semantic not in SEMANTICS:
            raise ContractError(f"{where}: semantic {semantic!r} is unknown; known are {', '.join(sorted(SEMANTICS))}")
        if prop.classification not in CLASSIFICATIONS:
            raise ContractError(
                f"{where}: classification {prop.classification!r} is not one of {', '.join(CLASSIFICATIONS)}"
            )
        options = dict(prop.logicalTypeOptions or {})
        date_format = options.pop("format", None) if prop.logicalType in ("date", "timestamp") else None
        return Column(
            name=name,
            physical_name=prop.physicalName or name,
            type=self._type(prop, where),
            date_format=strptime_format(date_format) if date_format else None,
            description=prop.description or "",
            semantic=semantic,
            classification=prop.classification,
            required=bool(prop.required or prop.primaryKey),
            primary_key=bool(prop.primaryKey),
            options=options,
            valid_values=tuple(str(item.value) for item in prop.enum or []),
            records_of=self._other_source(properties.get("recordsOf"), where),
        )

    def _other_source(self, value: Any, where: str) -> str | None:
        if value is not None and not (isinstance(value, str) and _NAME.match(value)):
            raise ContractError(f"{where}.recordsOf: {value!r} is no name of a source")
        return value

    def _type(self, prop: SchemaProperty, where: str) -> str:
        if prop.physicalType and _DECIMAL.match(prop.physicalType):
            return prop.physicalType.lower()
        if prop.logicalType not in _LOGICAL_TYPES:
            raise ContractError(
                f"{where}: logicalType {prop.logicalType!r} is not one of {', '.join(sorted(_LOGICAL_TYPES))}"
            )
        return _LOGICAL_TYPES[prop.logicalType]

    def _identifier(self, value: str | None, where: str) -> str:
        if not value or not _NAME.match(value):
            raise ContractError(f"{where}: {value!r} must be lower case letters, digits and _, starting with a letter")
        return value


def _properties(items: list[CustomProperty] | None) -> dict[str, Any]:
    return {item.property: item.value for item in items or [] if item.property}


def _whole_days(value: Any, unit: str | None) -> int | None:
    is_days = unit in ("d", "day", "days") and isinstance(value, int) and value >= 1
    return value if is_days else None


def _one_of(value: Any, known: tuple[str, ...], where: str) -> Any:
    if value not in known:
        raise ContractError(f"{where}: {value!r} is not one of {', '.join(known)}")
    return value


def _refuse_duplicates(names: Iterable[str], what: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ContractError(f"{what} {name!r} stands twice")
        seen.add(name)

"""Access: everything held on a person, as JSON and as a page, each row with where it came from.

Belongs here: reading the closure's rows out of every store. Does not belong here: finding the closure (`closure.py`, the
same as for erasure).
"""

import html
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.ledger.audit import append
from orchestration.ledger.redaction import personal_rows
from orchestration.ledger.store import Ledger
from orchestration.privacy.closure import Closure, Selector, find_closure
from orchestration.privacy.errors import PrivacyError
from orchestration.privacy.holdings import Holding, count_holdings, ledger_places
from orchestration.privacy.relations import relations
from orchestration.sources.load import LANDED, MALFORMED, landed_day

if TYPE_CHECKING:
    import duckdb

    from orchestration.project import Project

_PROVENANCE = ("_file", "_row", "_load_date")
# Of a table on the page: more columns than this do not fit side by side, so many rows do.
_WIDE, _FEW = 7, 4
_GOLDEN = "cleansing.golden_field_values"
_WORDS = {
    "landing": "As your data arrived",
    "warehouse": "What was made of it",
    "ledger": "What people decided about it",
}


@dataclass(frozen=True)
class Exported:
    """An export that was written."""

    json: Path
    page: Path
    holdings: tuple[Holding, ...]


def export_subject(project: "Project", selector: Selector, out: Path, actor: str) -> Exported:
    """Write everything held on one person to `out`, readable by the owner only, and note it in the audit log.

    Raises:
        PrivacyError: the person cannot be found, or the folder holds other files.
        WarehouseLockedError: a run is going on.
        LedgerError: the ledger cannot be read, or not written: then nothing is left in `out`.
    """
    if out.exists() and any(out.iterdir()):
        raise PrivacyError(f"{out} is not empty. Name a new folder, so that two people's data never lie together.")
    ledger = Ledger.of(project.settings)
    with project.exclusive(), project.warehouse() as con:
        closure = find_closure(con, project.contracts, [selector])
        holdings = count_holdings(con, ledger, closure)
        content = {
            "exported_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "customers": sorted(closure.customers),
            "records": sorted(closure.records),
            "processing": _processing(project, closure),
            "landing": _landed(project, con, closure),
            "warehouse": _tables(con),
            "ledger": personal_rows(ledger, closure.records, closure.customers, ledger_places(closure)),
        }
    out.mkdir(parents=True, exist_ok=True)
    out.chmod(0o700)
    files = {
        "subject.json": json.dumps(content, indent=1, ensure_ascii=False, default=_plain),
        "subject.html": _page(content),
    }
    try:
        for name, text in files.items():
            descriptor = os.open(out / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
        with ledger.writing() as connection:
            details = {"rows": sum(item.rows for item in holdings)}
            append(connection, actor=actor, action="access.export", subject="1 person", details=details)
    except BaseException:
        for name in files:
            (out / name).unlink(missing_ok=True)
        raise
    return Exported(out / "subject.json", out / "subject.html", tuple(holdings))


def _processing(project: "Project", closure: Closure) -> list[dict[str, Any]]:
    """What GDPR article 15(1) asks for beside the data: source by source for what, on what ground and how long."""
    sources = {record.split(":")[0] for record in closure.records}
    sources |= {contract.source for contract, table in project.tables if table.raw_name in closure.counts()}
    return [
        {
            "source": contract.source,
            "description": contract.description,
            "purposes": ", ".join(
                f"{item.purpose} ({item.legal_basis.replace('_', ' ')})" for item in contract.purposes
            ),
            "kept for": contract.retention or "no period is set",
            "answerable": contract.owner,
        }
        for contract in project.contracts
        if contract.source in sources
    ]


def _landed(project: "Project", con: "duckdb.DuckDBPyConnection", closure: Closure) -> dict[str, list[dict[str, Any]]]:
    """The person's rows of every landed file as they stand in it, with file, row and load date."""
    by_name = {table.raw_name: (contract, table) for contract, table in project.tables}
    wanted: dict[tuple[str, str, date], set[int]] = {}
    for place in closure.places:
        wanted.setdefault((place.table, place.file, place.load_date), set()).add(place.row)
    found: dict[str, list[dict[str, Any]]] = {}
    for (name, file, day), rows in sorted(wanted.items()):
        path = project.settings.landing / file
        if name not in by_name or not path.is_file():
            continue
        contract, table = by_name[name]
        with landed_day(con, contract, table, project.settings.landing, [path]):
            entries = _rows(con, f"from {LANDED} where list_contains(?, _row) order by _row", [sorted(rows)])
            lines = _rows(
                con,
                f"select row_number as _row, text as line from {MALFORMED} where list_contains(?, row_number) order by 1",
                [sorted(rows)],
            )
        found[file] = [
            {"_file": file, "_row": row.pop("_row"), "_load_date": day, **_without_file(row)} for row in entries + lines
        ]
    return found


def _without_file(row: dict[str, Any]) -> dict[str, Any]:
    row.pop("_file", None)
    return row


def _tables(con: "duckdb.DuckDBPyConnection") -> dict[str, list[dict[str, Any]]]:
    found = {}
    for item in relations(con):
        condition = item.condition("held")
        rows = _rows(con, f"select * from {item.sql} as held where {condition} order by all") if condition else []
        if rows:
            found[item.label] = rows
    return found


def _rows(con: "duckdb.DuckDBPyConnection", query: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
    cursor = con.execute(query, parameters)
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


def _page(content: Mapping[str, Any]) -> str:
    sections = []
    for store, title in _WORDS.items():
        tables = "".join(_section(name, rows) for name, rows in content[store].items())
        sections.append(f"<h2>{title}</h2>{tables or '<p>Nothing.</p>'}")
    ids, golden = html.escape(", ".join(content["records"])), _golden(content)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Everything held on you</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem; color: #1b1b1b; }}
div {{ overflow-x: auto; }} table {{ border-collapse: collapse; }}
th, td {{ text-align: left; vertical-align: top; padding: .2rem .6rem; border-bottom: 1px solid #ddd; }}
td {{ overflow-wrap: break-word; max-width: 24rem; }} tbody th {{ font-weight: 500; color: #555; white-space: nowrap; }}
</style></head><body>
<h1>Everything held on you</h1>
<p>Written on {html.escape(content["exported_at"])}. Your records: {ids}. Each row of an arrived file stands with the file,
the row in it and the day on which it was loaded.</p>
<h2>Why it is held, and for how long</h2>{_table(content["processing"])}
<p>You may ask to have wrong data corrected at its source, to have everything erased or restricted, to object, to take back
a consent, to receive your data in a form that machines read (the file subject.json beside this page), and you may complain
to the supervisory authority.</p>
<h2>What we take to be true of you</h2>{_table(golden) if golden else "<p>Nothing.</p>"}
{"".join(sections)}
</body></html>
"""


def _golden(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The golden record, value by value, each with the record that it was taken from and the rule that chose it."""
    shown = {"field": "field", "value": "value", "source": "source", "record_id": "record", "rule": "chosen because"}
    words = str.maketrans("_", " ")
    return [
        {title: row[name].translate(words) if name in ("field", "rule") else row[name] for name, title in shown.items()}
        for row in content["warehouse"].get(_GOLDEN, ())
    ]


def _section(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    return f"<h3>{html.escape(name)}</h3>{_table(rows)}"


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as a table; a few rows of many columns stand side by side, so that a page shows them whole."""
    columns = list(
        dict.fromkeys(column for row in rows for column in row if any(r.get(column) is not None for r in rows))
    )
    columns.sort(key=lambda column: column not in _PROVENANCE)
    names = {column: html.escape(column.lstrip("_")) for column in columns}
    if len(columns) > _WIDE and len(rows) <= _FEW:
        body = "".join(
            f"<tr><th>{names[column]}</th>" + "".join(f"<td>{_cell(row.get(column))}</td>" for row in rows) + "</tr>"
            for column in columns
        )
        return f"<div><table><tbody>{body}</tbody></table></div>"
    head = "".join(f"<th>{names[column]}</th>" for column in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{_cell(row.get(column))}</td>" for column in columns) + "</tr>" for row in rows
    )
    return f"<div><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _cell(value: Any) -> str:
    return "" if value is None else html.escape(str(value))

"""The erasure certificate: what was found and removed, and how it was proven, with nothing of the person in it.

Belongs here: its content and its two forms, JSON and a page. Does not belong here: deciding that it may be given
(`erasure.py` writes it only after every check has passed).
"""

import hashlib
import html
import importlib.metadata
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestration.config import Settings
from orchestration.ledger.requests import counted
from orchestration.privacy.holdings import Holding
from orchestration.privacy.open_request import privacy_folder
from orchestration.privacy.relations import ENDED_IDS
from orchestration.privacy.scan import ScanResult
from orchestration.privacy.warehouse_erasure import TableProof

NOT_COVERED = (
    "Backups and snapshots of the data folder, the ledger or the disk: erase them, or let them expire, by their own rules.",
    "Copies outside the data folder: files that readers still hold open, downloads of published files, exports, e-mails.",
    "The sources themselves: ask each source to erase the person; until then the tombstone holds their rows back.",
    "Free blocks of the file system: files are written anew and old ones deleted; encrypt the disk where that matters.",
    "The audit log: it keeps who did what and when, under ids, without personal values.",
)
_MEMORY = "resolution.linkage_"
_PACKAGES = ("kindred", "duckdb", "dbt-core", "dagster", "splink", "great-expectations", "sqlalchemy")


@dataclass(frozen=True)
class Certificate:
    """What is certified."""

    request_id: str
    kind: str
    requested_at: datetime
    completed_at: datetime
    people: int
    """Records, of a retention."""
    holdings: Sequence[Holding]
    """Found before."""
    removed: Mapping[str, int]
    """Removed, by `store name`."""
    stores: Mapping[str, int]
    """Places blanked or deleted in logs, event storage, documents and models."""
    others: Sequence[TableProof]
    rebuilt: Sequence[str]
    published: Sequence[str]
    """Published files, written anew without them."""
    scan: ScanResult
    shared_values: int
    tombstone_hashes: int
    audit_head: str

    def content(self) -> dict[str, Any]:
        """The certificate as JSON, with the hash of all the rest in `sha256`."""
        found = {f"{item.store} {item.name}": item.rows for item in self.holdings}
        body = {
            "certificate": "erasure" if self.kind == "erasure" else "retention",
            "request_id": self.request_id,
            "requested_at": self.requested_at.isoformat(timespec="seconds"),
            "completed_at": self.completed_at.isoformat(timespec="seconds"),
            counted(self.kind): self.people,
            "stores": [
                {"store": name, "found": found.get(name, 0), "removed": self.removed.get(name, 0)}
                for name in sorted(found.keys() | self.removed.keys())
            ],
            "other_stores": dict(sorted(self.stores.items())),
            "other_peoples_rows": [{**asdict(proof), "unchanged": proof.unchanged} for proof in self.others],
            "rebuilt_aggregates": [name for name in self.rebuilt if not name.startswith(_MEMORY)],
            "emptied_until_the_next_run": [name for name in self.rebuilt if name.startswith(_MEMORY)],
            "built_anew": list(self.published),
            "kept_as_ended": sorted(ENDED_IDS),
            "residual_scan": {
                "values_searched": self.scan.values,
                "values_not_searched_because_others_have_them": self.shared_values,
                "tables": self.scan.tables,
                "files": self.scan.files,
                "bytes": self.scan.bytes,
                "findings": len(self.scan.findings),
            },
            "tombstone_hashes": self.tombstone_hashes,
            "audit_head": self.audit_head,
            "versions": _versions(),
            "not_covered": list(NOT_COVERED),
        }
        text = json.dumps(body, sort_keys=True, separators=(",", ":"))
        return {**body, "sha256": hashlib.sha256(text.encode()).hexdigest()}


def certificate_path(settings: Settings, request_id: str) -> Path:
    """Where the certificate of a request lies."""
    return privacy_folder(settings) / "certificates" / f"{request_id}.json"


def write_certificate(settings: Settings, certificate: Certificate) -> Path:
    """Write both forms, whole or not at all. Returns the JSON file."""
    path = certificate_path(settings, certificate.request_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = certificate.content()
    for target, text in (
        (path.with_suffix(".html"), _page(content)),
        (path, json.dumps(content, indent=1) + "\n"),
    ):
        beside = target.with_name(f".{target.name}.new")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(target)
    return path


def _versions() -> dict[str, str]:
    found = {"python": ".".join(str(part) for part in sys.version_info[:3])}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _page(content: Mapping[str, Any]) -> str:
    stores = _table(("Store", "Found", "Removed"), [(s["store"], s["found"], s["removed"]) for s in content["stores"]])
    others = _table(
        ("Table", "Rows of others", "Unchanged"),
        [(o["table"], o["rows"], "yes" if o["unchanged"] else "NO") for o in content["other_peoples_rows"]],
    )
    scan, more = content["residual_scan"], content["other_stores"]
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Certificate {html.escape(content["request_id"])}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b; }}
table {{ border-collapse: collapse; margin: 1rem 0; }} th, td {{ padding: .25rem .75rem; border-bottom: 1px solid #ddd; }}
th {{ text-align: left; }} td + td {{ text-align: right; }} code {{ overflow-wrap: anywhere; }}
</style></head><body>
<h1>Certificate of {html.escape(content["certificate"])}</h1>
<p>Request <code>{html.escape(content["request_id"])}</code> of {_moment(content["requested_at"])} UTC for
{_whom(content)}, complete on {_moment(content["completed_at"])} UTC.</p>
<h2>What was held and removed</h2>{stores}
<p>In {html.escape(", ".join(content["kept_as_ended"]))} the person's records are gone, and their customer id stays as an ended
one that leads to nobody, so that it is never given again. Published files were written anew without them:
{html.escape(", ".join(content["built_anew"]) or "none")}.</p>
<h2>Logs, documents and models</h2>{_table(("Store", "Places removed"), sorted(more.items()))}
<h2>Everybody else</h2>
<p>A hash over every row of other people, taken before and after, is the same in every table below. These aggregates say
something of all people together and were computed anew: {html.escape(", ".join(content["rebuilt_aggregates"]) or "none")}. What the matching of records remembers was emptied, and is
made again by the next run.</p>
{others}
<h2>Search for leftovers</h2>
<p>{scan["values_searched"]:,} values of the person were searched in {scan["tables"]:,} tables and {scan["files"]:,} files
({scan["bytes"]:,} bytes): {scan["findings"]} findings. {scan["values_not_searched_because_others_have_them"]:,} further
values are other people's too and say nothing of the person.</p>
<h2>No return</h2>
<p>{content["tombstone_hashes"]:,} keyed hashes hold the person back when a source sends them again.</p>
<h2>What this does not cover</h2><ul>{"".join(f"<li>{html.escape(text)}</li>" for text in content["not_covered"])}</ul>
<p>Audit head <code>{html.escape(content["audit_head"])}</code><br>SHA-256 of this certificate
<code>{html.escape(content["sha256"])}</code></p>
</body></html>
"""


def _whom(content: Mapping[str, Any]) -> str:
    if "records" in content:
        return f"{content['records']:,} {'record' if content['records'] == 1 else 'records'} that had been kept long enough"
    return f"{content['people']:,} {'person' if content['people'] == 1 else 'people'}"


def _moment(text: str) -> str:
    return html.escape(text.replace("T", " "))


def _table(names: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

"""The registry as a page: docs/personal-data.md, with the record of processing of GDPR article 30.

Belongs here: words and layout. Does not belong here: deriving the registry (`registry.py`). The page follows from the
contracts and the models alone, so that the same project gives the same page.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from orchestration.privacy.purposes import PurposePolicy, purpose_policies
from orchestration.privacy.registry import RegistryEntry, declared_purposes
from orchestration.sources.contract import Contract

_HEAD = """\
# What is held of people

Written by `kindred privacy map --markdown docs/personal-data.md` from the data contracts, the dbt models and
`orchestration/privacy/columns.yml`; a test fails when it is not current. Do not edit it. [privacy.md](privacy.md) says how
people's rights are answered.

Classes: **restricted** and **personal** columns name or describe a person, **pseudonymous** ones are keys that lead to one,
**internal** ones say something of a person only beside a key, **public** ones say nothing of anybody.
"""
_SCHEMAS = {
    "raw": "As the sources delivered it",
    "quarantine": "Rows that were held back",
    "staging": "Each source on the common shape (views)",
    "integration": "All sources together",
    "cleansing": "Standard values and golden records",
    "resolution": "Which records are one person",
    "marts": "The warehouse",
    "analysis": "Analysis and audiences",
    "quality": "History of loads and checks",
    "seeds": "Configuration",
    "ledger": "Decisions of people (the ledger, beside the warehouse)",
}


def render_page(entries: Sequence[RegistryEntry], contracts: Sequence[Contract], manifest: Mapping[str, Any]) -> str:
    """The page as Markdown."""
    parts = [_HEAD, *_record_of_processing(entries, contracts, manifest), *_summary(entries), *_tables(entries)]
    return "\n".join(parts).rstrip() + "\n"


def _record_of_processing(
    entries: Sequence[RegistryEntry], contracts: Sequence[Contract], manifest: Mapping[str, Any]
) -> Iterator[str]:
    yield "## Record of processing\n"
    yield (
        "GDPR article 30(1), from the contracts and the models. Data subjects are the customers of the sources; Kindred "
        "itself transfers nothing anywhere and calls nobody. Security: [privacy.md](privacy.md#how-it-is-guarded).\n"
    )
    yield "| purpose | legal basis | categories of data | sources (owner) | kept | recipients |"
    yield "|---|---|---|---|---|---|"
    for name, policy in sorted(purpose_policies(contracts).items()):
        sources = [c for c in contracts if any(purpose.purpose == name for purpose in c.purposes)]
        yield _row(
            [
                f"**{name}**: {policy.description}" if policy.description else f"**{name}**",
                _bases(policy, sources),
                _categories(entries, {contract.source for contract in sources}),
                "<br>".join(f"{c.source} ({c.owner})" for c in sources) or "made by Kindred from all sources",
                "<br>".join(f"{c.source} {c.retention or 'not said'}" for c in sources) or "as its sources",
                "<br>".join(_recipients(name, manifest)) or "nobody outside the warehouse",
            ]
        )
    yield ""


def _bases(policy: PurposePolicy, sources: Sequence[Contract]) -> str:
    said = {p.legal_basis for contract in sources for p in contract.purposes if p.purpose == policy.name}
    return ", ".join(sorted(said | {policy.basis}))


def _categories(entries: Sequence[RegistryEntry], sources: set[str]) -> str:
    """The canonical attributes that the sources deliver, and what else of theirs is personal."""
    found: dict[str, None] = {}
    for entry in entries:
        if entry.table.startswith("raw.") and entry.is_personal and sources & set(entry.sources):
            found.setdefault(entry.semantic or entry.column)
    return ", ".join(sorted(found)) or "whatever its sources hold"


def _recipients(purpose: str, manifest: Mapping[str, Any]) -> list[str]:
    return [
        f"{exposure.get('label') or exposure['name']} ({exposure['owner'].get('email')})"
        for _, exposure in sorted(manifest.get("exposures", {}).items())
        if purpose in (declared_purposes(exposure) or [])
    ]


def _summary(entries: Sequence[RegistryEntry]) -> Iterator[str]:
    yield "## In short\n"
    yield "| schema | what it is | tables | columns | of them with personal data |"
    yield "|---|---|---|---|---|"
    for schema, group in _by_schema(entries):
        tables = {entry.table for entry in group}
        personal = sum(entry.is_personal for entry in group)
        yield _row(
            [f"`{schema}`", _SCHEMAS.get(schema, "Published file"), f"{len(tables)}", f"{len(group)}", f"{personal}"]
        )
    yield ""


def _tables(entries: Sequence[RegistryEntry]) -> Iterator[str]:
    for schema, group in _by_schema(entries):
        yield f"## {schema}: {_SCHEMAS.get(schema, 'published file').lower()}\n"
        shapes: dict[tuple[str, ...], list[str]] = {}
        bodies: dict[str, list[RegistryEntry]] = {}
        for table, columns in groupby(group, key=lambda entry: entry.table):
            bodies[table] = list(columns)
            lines = (*_facts(bodies[table]), *_lines(bodies[table]))
            shapes.setdefault(lines, []).append(table)
        for lines, tables in shapes.items():
            yield f"### {', '.join(tables)}\n"
            yield from lines
            yield ""


def _facts(entries: Sequence[RegistryEntry]) -> Iterator[str]:
    sources = sorted({source for entry in entries for source in entry.sources})
    purposes = sorted({f"{p.purpose} ({p.legal_basis})" for entry in entries for p in entry.purposes})
    kept = {part for entry in entries if entry.retention for part in entry.retention.split(", ")}
    facts = [
        f"From {', '.join(sources)}." if sources else "",
        f"For {', '.join(purposes)}." if purposes and sources else "",
        f"Kept {', '.join(sorted(kept))}." if kept and sources else "",
    ]
    text = " ".join(fact for fact in facts if fact)
    if text:
        yield f"{text}\n"


def _lines(entries: Sequence[RegistryEntry]) -> Iterator[str]:
    published = any(entry.published for entry in entries)
    yield "| column | class | attribute | known by |" + (" published as |" if published else "")
    yield "|---|---|---|---|" + ("---|" if published else "")
    for entry in entries:
        cells = [f"`{entry.column}`", entry.classification, entry.semantic or "", entry.known_by]
        yield _row([*cells, entry.published or ""] if published else cells)


def _by_schema(entries: Sequence[RegistryEntry]) -> list[tuple[str, list[RegistryEntry]]]:
    found: dict[str, list[RegistryEntry]] = {}
    for entry in entries:
        found.setdefault(
            entry.table.split(".", maxsplit=1)[0] if "/" not in entry.table else entry.table.split("/")[0], []
        ).append(entry)
    order = list(_SCHEMAS)
    return sorted(found.items(), key=lambda item: (order.index(item[0]) if item[0] in order else len(order), item[0]))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"

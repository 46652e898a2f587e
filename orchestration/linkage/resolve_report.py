"""The page that `kindred resolve --report` writes: what came out, with example pairs in words.

What belongs here: the sections on one run's result. What does not: the model's own sections
(reporting.py, model_report.py) and numbers. The page shows values of records and stays local.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.linkage.columns import ColumnMapping
from orchestration.linkage.features import CATEGORY_PREFIX, EXTRA_PREFIX, IDENTIFIER_PREFIX
from orchestration.linkage.model import LinkageModel
from orchestration.linkage.model_report import levels_chart
from orchestration.linkage.reporting import write_report
from orchestration.linkage.sql import columns_of, quoted

if TYPE_CHECKING:
    import duckdb

_EXAMPLES = 4
_HIDDEN = frozenset(("record_id", "source", "source_record_id", "placeholder_fields", "updated_at", "load_date"))
_LONGEST_SHOWN = 80
_WIDEST_BAR = 320


def write_resolve_report(
    con: duckdb.DuckDBPyConnection, model: LinkageModel, mapping: ColumnMapping, path: Path
) -> None:
    """Write the page from the tables `records`, `canonical`, `edges` and `members` of a run."""
    sections = [_sizes(con), _examples(con, model), _columns(mapping)]
    write_report(model, path, first="".join(sections), more=levels_chart(model))


def _sizes(con: duckdb.DuckDBPyConnection) -> str:
    rows = con.execute(
        """
        with sizes as (select count(*) as size from members group by cluster_id)
        select size, count(*) as customers from sizes group by all order by size
        """
    ).fetchall()
    if not rows:
        return "<h2>Customers</h2><p>The files hold no records.</p>"
    most = max(customers for _, customers in rows)
    lines = "".join(
        f"<tr><td class=n>{size:,}</td><td class=n>{customers:,}</td>"
        f'<td><span class="bar" style="width:{max(1, customers * _WIDEST_BAR // most)}px"></span></td></tr>'
        for size, customers in rows[:30]
    )
    records = sum(size * customers for size, customers in rows)
    people = sum(customers for _, customers in rows)
    return (
        f"<h2>Customers</h2><p>{records:,} records are {people:,} customers; the largest has {rows[-1][0]:,} records.</p>"
        f"<table><tr><th>records</th><th>customers of that size</th><th></th></tr>{lines}</table>"
    )


def _examples(con: duckdb.DuckDBPyConnection, model: LinkageModel) -> str:
    threshold = model.threshold_weight
    together = "l.cluster_id = r.cluster_id and edges.match_weight >= ?"
    apart = "l.cluster_id != r.cluster_id"
    parts = [
        ("Put together, the least certain", together, "edges.match_weight", [threshold]),
        ("Put together, certain", together, "-edges.match_weight", [threshold]),
        ("Kept apart, the nearest", apart, "-edges.match_weight", []),
    ]
    told = []
    for title, condition, order, values in parts:
        rows = con.execute(
            f"""
            select edges.* from edges
            inner join members as l on edges.record_id_l = l.record_id
            inner join members as r on edges.record_id_r = r.record_id
            where not edges.identical and {condition}
            order by {order}, edges.record_id_l, edges.record_id_r limit {_EXAMPLES}
            """,
            values,
        )
        names = [column[0] for column in rows.description]
        pairs = [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
        if pairs:
            told.append(f"<h3>{title}</h3>" + "".join(_pair(con, model, pair) for pair in pairs))
    if not told:
        return ""
    return "<h2>Examples</h2><p>Values are shown as they were compared; this page is for your eyes only.</p>" + "".join(
        told
    )


def _pair(con: duckdb.DuckDBPyConnection, model: LinkageModel, pair: dict[str, Any]) -> str:
    ids = [pair["record_id_l"], pair["record_id_r"]]
    shown = [name for name in columns_of(con, "records") if name not in _HIDDEN]
    listed = ", ".join(f"cast({quoted(name)} as varchar)" for name in shown)
    values = {
        row[0]: row[1:]
        for row in con.execute(f"select record_id, {listed} from records where record_id in (?, ?)", ids).fetchall()
    }
    names = dict(
        con.execute("select record_id, source_record_id from canonical where record_id in (?, ?)", ids).fetchall()
    )
    left, right = values[ids[0]], values[ids[1]]
    rows = "".join(
        f"<tr><td>{html.escape(plain_name(name))}</td><td>{_text(one)}</td><td>{_text(other)}</td></tr>"
        for name, one, other in zip(shown, left, right, strict=True)
        if one is not None or other is not None
    )
    words = "; ".join(_words(model, pair))
    return (
        f"<table><tr><th>weight {pair['match_weight']:+.1f}, probability {pair['match_probability']:.3f}</th>"
        f"<th>{_text(names[ids[0]])}</th><th>{_text(names[ids[1]])}</th></tr>{rows}"
        f"<tr><td colspan=3>{html.escape(words)}</td></tr></table>"
    )


def _words(model: LinkageModel, pair: dict[str, Any]) -> Sequence[str]:
    told = []
    for comparison in model.comparisons:
        level = comparison.level_of(int(pair[f"gamma_{comparison.name}"]))
        if level is not None:
            told.append(f"{plain_name(comparison.name)}: {'different' if level.name == 'else' else level.name}")
    return told or ["nothing could be compared"]


def plain_name(name: str) -> str:
    """A feature's or attribute's name for people: without the prefix of further columns."""
    for prefix in (IDENTIFIER_PREFIX, CATEGORY_PREFIX, EXTRA_PREFIX):
        name = name.removeprefix(prefix)
    return name.replace("_", " ")


def _columns(mapping: ColumnMapping) -> str:
    lines = "".join(f"<li>{html.escape(line)}</li>" for line in mapping.lines())
    return f"<h2>Columns</h2><ul>{lines}</ul>"


def _text(value: object) -> str:
    text = "" if value is None else str(value)
    return html.escape(text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…")

"""The page that `kindred resolve --report` writes: what came out, with example pairs in words.

What belongs here: the sections on one run's result. What does not: the model's own sections
(reporting.py, model_report.py) and numbers. The page shows values of records and stays local.
"""

from __future__ import annotations

import html
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.linkage.columns import ColumnMapping
from orchestration.linkage.model import LinkageModel
from orchestration.linkage.model_report import levels_chart
from orchestration.linkage.reporting import plain_name, write_report
from orchestration.linkage.sql import columns_of, quoted

if TYPE_CHECKING:
    import duckdb

_EXAMPLES = 4
_HIDDEN = frozenset(("record_id", "source", "source_record_id", "placeholder_fields", "updated_at", "load_date"))
_LONGEST_SHOWN = 80
_DIFFERENT = "different"


def write_resolve_report(
    con: duckdb.DuckDBPyConnection, model: LinkageModel, mapping: ColumnMapping, path: Path
) -> None:
    """Write the page from the tables `records`, `canonical`, `edges` and `members` of a run."""
    records, customers = con.execute("select count(*), count(distinct cluster_id) from members").fetchall()[0]
    sections = [_sizes(con), _examples(con, model), _columns(mapping)]
    write_report(
        model,
        path,
        title=f"{records:,} records are {customers:,} customers",
        summary=_summary(model),
        first="".join(sections),
        more=levels_chart(model),
    )


def _summary(model: LinkageModel) -> str:
    expected = model.report
    if "expected_precision" not in expected:
        return "Nothing in these records could be compared, so that each is a customer of its own."
    return (
        f"Of the pairs of records that the evidence puts together about {expected['expected_precision']:.1%} should be "
        f"one person, and of the pairs that are one person about {expected['expected_recall']:.1%} should be found. "
        "No pair was labelled: both are what the model expects of itself, among the pairs it compared."
    )


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
        f'<td><span class="bar" style="width:{max(0.3, 100 * customers / most):.1f}%"></span></td></tr>'
        for size, customers in rows[:30]
    )
    largest = rows[-1][0]
    more = f" Sizes above {rows[29][0]:,} are left out." if len(rows) > 30 else ""
    return (
        f"<h2>Customers by their number of records</h2><p>The largest customer has {largest:,} record{'s' if largest > 1 else ''}.{more}</p>"
        f"<table><tr><th class=n>records</th><th class=n>customers</th><th></th></tr>{lines}</table>"
    )


def _examples(con: duckdb.DuckDBPyConnection, model: LinkageModel) -> str:
    threshold = model.threshold_weight
    together = "l.cluster_id = r.cluster_id and edges.match_weight >= ?"
    apart = "l.cluster_id != r.cluster_id"
    parts = [
        ("Put together, the least certain", "Look here first.", together, "edges.match_weight", [threshold]),
        ("Put together, the most certain", "", together, "-edges.match_weight", [threshold]),
        (
            "Kept apart, though the two agree",
            "By themselves these pairs would be one person. Other records of the two customers, or a birth date that "
            "contradicts, speak against it on average.",
            f"{apart} and edges.match_weight >= ?",
            "-edges.match_weight",
            [threshold],
        ),
        (
            "Kept apart, the nearest",
            "A little more evidence would have put them together.",
            f"{apart} and edges.match_weight < ?",
            "-edges.match_weight",
            [threshold],
        ),
    ]
    told = []
    for title, meaning, condition, order, values in parts:
        rows = con.execute(
            f"""
            select edges.* from edges
            inner join members as l on edges.record_id_l = l.record_id
            inner join members as r on edges.record_id_r = r.record_id
            where not edges.identical and {condition}
            -- Pairs of one weight agree in the same way: one example of each says more than four of one.
            qualify row_number() over (
                partition by edges.match_weight order by edges.record_id_l, edges.record_id_r
            ) = 1
            order by {order}, edges.record_id_l, edges.record_id_r limit {_EXAMPLES}
            """,
            values,
        )
        names = [column[0] for column in rows.description]
        pairs = [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
        if pairs:
            told.append(f"<h3>{title}</h3><p>{meaning}</p>" + "".join(_pair(con, model, pair) for pair in pairs))
    if not told:
        return ""
    return (
        "<h2>Examples</h2><p>Values are shown in standard form, and how common the ones that agree are. The page holds personal data: keep it to yourself.</p>"
        + "".join(told)
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
    outcomes = _outcomes(model, pair)
    sides = {name: (one, other) for name, one, other in zip(shown, values[ids[0]], values[ids[1]], strict=True)}
    rows = []
    for name, (one, other) in sides.items():
        if one is not None or other is not None:
            rows.append(_row(name, one, other, outcomes.pop(name, None)))
    # What is compared of values of other rows, such as a senior's "Sr" or an age.
    rows += [_row(name, None, None, outcome) for name, outcome in outcomes.items()]
    return (
        f"<table class=pair><caption>probability {pair['match_probability']:.3f} by itself (match weight "
        f"{pair['match_weight']:+.1f})</caption><tr><th></th><th>{_text(names[ids[0]])}</th>"
        f"<th>{_text(names[ids[1]])}</th><th>outcome</th></tr>{''.join(rows)}</table>"
    )


def _row(name: str, one: object, other: object, outcome: str | None) -> str:
    """A row of a pair: the two values and what the comparison of that name found."""
    kind = "" if outcome is None else " class=other" if outcome == _DIFFERENT else " class=same"
    nothing = "says nothing" if one is None or other is None else "says nothing more"
    told = outcome or f"<span class=quiet>{nothing}</span>"
    return (
        f"<tr{kind}><td>{html.escape(plain_name(name))}</td><td>{_text(one)}</td><td>{_text(other)}</td>"
        f"<td>{html.escape(told) if outcome else told}</td></tr>"
    )


def _outcomes(model: LinkageModel, pair: dict[str, Any]) -> dict[str, str]:
    """What each comparison with two values found, in words."""
    told = {}
    for comparison in model.comparisons:
        level = comparison.level_of(int(pair[f"gamma_{comparison.name}"]))
        if level is not None:
            told[comparison.name] = _DIFFERENT if level.name == "else" else level.name
    return told


def _columns(mapping: ColumnMapping) -> str:
    rows = []
    for line in mapping.lines():
        column, _, meaning = line.rpartition(" -> ")
        rows.append(f"<tr><td>{html.escape(column)}</td><td>{html.escape(plain_name(meaning))}</td></tr>")
    return (
        "<h2>Columns</h2><p>How the columns of the files were understood. Name them with <code>--map</code> where that is "
        f"wrong.</p><table><tr><th>column</th><th>understood as</th></tr>{''.join(rows)}</table>"
    )


def _text(value: object) -> str:
    text = "" if value is None else str(value)
    return html.escape(text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…")

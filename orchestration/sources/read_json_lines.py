"""Reading a file of JSON Lines: objects, nested as they like, and the lines that are none.

Belongs here: what only JSON needs. Does not belong here: what all readers share (see `reading`).
"""

import json
from collections.abc import Sequence

from orchestration.sources.contract import Column
from orchestration.sources.drift import strangers
from orchestration.sources.errors import UnreadableFileError
from orchestration.sources.landed import given_to_duckdb, workplace
from orchestration.sources.names import literal, quote
from orchestration.sources.reading import Delivered, FileRows, MalformedLine, placed_rows, take_rejects


def read_json_lines(file: Delivered) -> FileRows:
    """Append the objects of a file to its target, one row each.

    Raises:
        UnreadableFileError: not in the contract's encoding, or no line is a JSON object.
        DriftError: top-level keys are unknown to the contract.
    """
    con, table = file.con, file.table
    with workplace(file.path) as folder, given_to_duckdb(con, file.as_utf8(folder)) as name:
        # JSON forbids raw control characters, so \x01 can never split a valid line.
        con.execute(
            f"""
            create or replace temp table json_lines as
            select line
            from read_csv(
                {literal(name)}, delim = '\x01', header = false, quote = '', escape = '',
                auto_detect = false, columns = {{'line': 'varchar'}}, max_line_size = 16777216,
                store_rejects = true, rejects_table = 'json_rejects', rejects_scan = 'json_scans', rejects_limit = 0
            )
            """
        )
        rejects = take_rejects(con, "json_rejects", "json_scans")
    unread = [MalformedLine(r.row, r.text, r.reason) for r in rejects]
    # Lines are numbered from 1 without a header: the same shift as CSV's, one line earlier.
    relation, place = placed_rows(
        con, "json_lines", [MalformedLine(line.row + 1, line.text, line.reason) for line in unread]
    )
    con.execute(
        f"""
        create or replace temp table json_numbered as
        select
            {place} - 1 as _row,
            line,
            case when json_valid(line) then json_type(line) = 'OBJECT' else false end as is_object
        from {relation}
        where trim(line) <> ''
        """
    )
    no_objects = con.execute("select _row, line from json_numbered where not is_object order by _row").fetchall()
    malformed = unread + [MalformedLine(row, text, "not a JSON object") for row, text in no_objects]
    keys = con.execute(
        "select distinct unnest(json_keys(line)) as key from json_numbered where is_object order by key"
    ).fetchall()
    found = tuple(key for (key,) in keys)
    top = {column.physical_name.split(".")[0] for column in table.columns}
    accepted = file.accept(strangers([key for key in found if key not in top], table, file.rules))
    fields = ", ".join(
        [
            *(f"{_struct_path(column)} as {quote(column.name)}" for column in table.columns),
            *(
                f"line ->> {literal(_json_path(extra.physical_name))} as {quote(extra.name)}"
                for extra in accepted.extras
            ),
        ]
    )
    rows = file.append(
        f"""
        select {fields}, _row
        from (
            select _row, line, from_json(line, {literal(_json_structure(table.columns))}) as item
            from json_numbered
            where is_object
        )
        """
    )
    con.execute("drop table json_lines")
    con.execute("drop table json_numbered")
    if rows == 0 and malformed:
        raise UnreadableFileError(f"{file.label}: no line is a JSON object; the contract says JSON Lines")
    return FileRows(rows, tuple(sorted(malformed, key=lambda line: line.row)), found, accepted.extras)


def _json_path(key: str) -> str:
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')
    return f'$."{escaped}"'


def _struct_path(column: Column) -> str:
    return "item." + ".".join(quote(step) for step in column.physical_name.split("."))


def _json_structure(columns: Sequence[Column]) -> str:
    """DuckDB's `from_json` structure: every leaf is text, except what stays JSON."""
    tree: dict[str, object] = {}
    for column in columns:
        *parents, leaf = column.physical_name.split(".")
        node = tree
        for step in parents:
            child = node.setdefault(step, {})
            assert isinstance(child, dict)
            node = child
        node[leaf] = "JSON" if column.type == "json" else "VARCHAR"
    return json.dumps(tree)

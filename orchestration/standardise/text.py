"""SQL expressions that clean any text, and the register of distinct-value mappings.

What belongs here: what all fields share (unicode, control characters, blanks, letter case) and
the one place where a Python function is applied to the distinct values of a column. What does
not: rules of one concept (names, dates, ...), which have their own modules.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

# Longer values are not names, addresses or identifiers; what follows would only cost memory.
MAX_TEXT_LENGTH = 500


def cleaned(expression: str) -> str:
    """SQL: unicode NFC, control and format characters and repeated blanks out, empty to null."""
    composed = f"nfc_normalize(left(cast({expression} as varchar), {MAX_TEXT_LENGTH}))"
    plain = f"regexp_replace({composed}, '[\\p{{Cc}}\\p{{Cf}}\\p{{Z}}]+', ' ', 'g')"
    return f"nullif(trim({plain}), '')"


def needs_casing(expression: str) -> str:
    """SQL: true when a value has letters of one case only, so that its case says nothing."""
    return f"({expression} = lower({expression}) or {expression} = upper({expression}))"


def sql_literal(value: str) -> str:
    """A string as an SQL literal."""
    return "'" + value.replace("'", "''") + "'"


def map_distinct(
    con: duckdb.DuckDBPyConnection,
    query: str,
    table: str,
    function: Callable[..., str | None],
) -> None:
    """Apply a Python function to the rows of a query and keep the answers as a temp table.

    The query returns the distinct inputs in one or more varchar columns; `table` gets the
    columns `input_1`, ..., `output`. This is the only way in which Python sees values.
    """
    import pyarrow as pa

    rows = con.execute(query).to_arrow_table()
    inputs = [column.to_pylist() for column in rows.columns]
    outputs = [function(*values) for values in zip(*inputs, strict=True)]
    arrays = {f"input_{number}": pa.array(values, pa.string()) for number, values in enumerate(inputs, start=1)}
    mapping = pa.table({**arrays, "output": pa.array(outputs, pa.string())})
    con.register("kindred_mapping_arrow", mapping)
    try:
        con.execute(f"create or replace temp table {table} as select * from kindred_mapping_arrow")
    finally:
        con.unregister("kindred_mapping_arrow")

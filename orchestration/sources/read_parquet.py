"""Reading a Parquet file, which keeps its own types.

Belongs here: what only Parquet needs. Does not belong here: what all readers share (see `reading`).
"""

import duckdb

from orchestration.sources.drift import SAMPLED_VALUES, judge
from orchestration.sources.errors import UnreadableFileError
from orchestration.sources.landed import given_to_duckdb
from orchestration.sources.names import literal, quote
from orchestration.sources.reading import Delivered, FileRows


def read_parquet(file: Delivered) -> FileRows:
    """Append the rows of a Parquet file to its target.

    Raises:
        UnreadableFileError: truncated, or another format.
        DriftError: columns are missing or unknown to the contract.
    """
    with given_to_duckdb(file.con, file.path) as name:
        return _read(file, name)


def _read(file: Delivered, name: str) -> FileRows:
    con = file.con
    source = f"read_parquet({literal(name)}, file_row_number = true)"
    try:
        found = [row[0] for row in con.execute(f"describe select * from {source}").fetchall()]
        delivered = [name for name in found if name != "file_row_number"]
        accepted = file.accept(
            judge(con, delivered, file.table, file.rules, lambda name: _some_values(con, source, name))
        )
        columns = file.selected(accepted)
        rows = file.append(f"select {columns}, file_row_number + 1 as _row from {source}")
    except duckdb.Error as error:
        said = str(error).splitlines()[0].replace(name, file.path.name)
        raise UnreadableFileError(
            f"{file.label} cannot be read as Parquet, it is truncated or another format: {said}. "
            f"Ask {file.contract.owner} to send it again."
        ) from error
    return FileRows(rows, (), tuple(delivered), accepted.extras)


def _some_values(con: duckdb.DuckDBPyConnection, source: str, name: str) -> list[str]:
    rows = con.execute(
        f"select {quote(name)}::varchar from {source} where {quote(name)} is not null limit {SAMPLED_VALUES}"
    ).fetchall()
    return [row[0] for row in rows]

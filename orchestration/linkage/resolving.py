"""`kindred resolve`: any files in, people out.

What belongs here: reading files, bringing their columns onto the canonical record, and running
the engine over them. What does not: the engine itself, and the command line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.linkage.canonical import add_further_evidence, likely_region, make_canonical
from orchestration.linkage.clustering import cluster
from orchestration.linkage.columns import ColumnMapping, map_columns
from orchestration.linkage.errors import LinkageError, ModelError
from orchestration.linkage.evidence import mapped_by_content
from orchestration.linkage.model import LinkageModel
from orchestration.linkage.scoring import score
from orchestration.linkage.sql import columns_of, literal, quoted, scalar_int
from orchestration.linkage.training import train
from orchestration.sources.landed import given_to_duckdb
from orchestration.standardise import standardise_records

if TYPE_CHECKING:
    import duckdb

# People of the past are resolved as well; a customer platform's own limit is later.
EARLIEST_BIRTH_DATE = "0001-01-02"
_READERS = {
    ".csv": "read_csv({files}, all_varchar = true, union_by_name = true)",
    ".tsv": "read_csv({files}, all_varchar = true, union_by_name = true, delim = '\\t')",
    ".jsonl": "read_json({files}, union_by_name = true, format = 'newline_delimited')",
    ".ndjson": "read_json({files}, union_by_name = true, format = 'newline_delimited')",
    ".json": "read_json({files}, union_by_name = true)",
    ".parquet": "read_parquet({files}, union_by_name = true)",
}


# Attributes that a comparison is made of, where its name is not theirs.
_ATTRIBUTES_OF = {
    "birth_year": ("birth_year", "birth_date"),
    "unit": ("unit", "street"),
    "postcode": ("postcode", "street"),
    "city": ("city", "street"),
}


@dataclass(frozen=True)
class Resolution:
    """What a run of `kindred resolve` did."""

    records: int
    customers: int
    largest_customer: int
    model: LinkageModel
    mapping: ColumnMapping
    out: Path


def resolve_files(
    paths: Sequence[Path],
    id_column: str,
    source_column: str | None = None,
    mapping: Mapping[str, str] | None = None,
    *,
    out: Path,
    report: Path | None = None,
    model: LinkageModel | None = None,
) -> Resolution:
    """Resolve the records of files to people and write the answer as Parquet (or CSV).

    `paths` are CSV, JSON Lines or Parquet files with raw values; `mapping` goes from attribute to
    column. `out` gets `record_id` (as given), `source` when `source_column` is given,
    `customer_id`, `match_probability`. Without `model` one is trained on the records.

    Raises LinkageError for files or columns that cannot be used, naming them.
    """
    import duckdb

    con = duckdb.connect(":memory:")
    try:
        chosen = load_files(con, paths, id_column, source_column, mapping)
        used = model or train(con, "records")
        _check_fit(con, used)
        score(con, used, "records", "edges")
        cluster(con, used, "records", "edges", "members")
        records, customers, largest = con.execute(
            """
            with sizes as (select cluster_id, count(*) as size from members group by all)
            select coalesce(sum(size), 0), count(*), coalesce(max(size), 0) from sizes
            """
        ).fetchall()[0]
        _write(con, out, with_source=source_column is not None)
        if report is not None:
            from orchestration.linkage.resolve_report import write_resolve_report

            write_resolve_report(con, used, chosen, report)
    finally:
        con.close()
    return Resolution(int(records), int(customers), int(largest), used, chosen, out)


def _check_fit(con: duckdb.DuckDBPyConnection, model: LinkageModel) -> None:
    """Refuse a model of which the records fill too little: it would silently match nobody."""
    attributes = {comparison.name for comparison in model.comparisons} - {"generation"}
    if not attributes or scalar_int(con, "select count(*) from records") == 0:
        return
    needs = {name: _ATTRIBUTES_OF.get(name, (name,)) for name in attributes}
    columns = columns_of(con, "records")
    filled = {name for name in columns if scalar_int(con, f"select count({quoted(name)}) from records") > 0}
    missing = sorted(name for name, any_of in needs.items() if not filled & set(any_of))
    if len(missing) == len(attributes):
        raise ModelError(
            f"model {model.version} compares {', '.join(missing)}, and the records fill none of these; "
            "name columns with --map, or leave --model out to train one on these records"
        )


def load_files(
    con: duckdb.DuckDBPyConnection,
    paths: Sequence[Path],
    id_column: str,
    source_column: str | None = None,
    mapping: Mapping[str, str] | None = None,
) -> ColumnMapping:
    """Read files into the tables `arrived` (with the ids) and `records` (standardised)."""
    _read(con, paths)
    columns = [name for name in columns_of(con, "arrived") if name != "kindred_row"]
    for needed in (id_column, source_column):
        if needed is not None and needed not in columns:
            raise LinkageError(f"column {needed!r} is not in the files; they have {', '.join(columns)}")
    reserved = [id_column, *([source_column] if source_column else [])]
    chosen = mapped_by_content(con, map_columns(columns, reserved, mapping))
    _check_ids(con, id_column, source_column)
    make_canonical(con, chosen, id_column, source_column)
    standardise_records(
        con,
        "canonical",
        "standard",
        default_region=likely_region(con),
        earliest_birth_date=EARLIEST_BIRTH_DATE,
    )
    add_further_evidence(con, chosen)
    return chosen


def _read(con: duckdb.DuckDBPyConnection, paths: Sequence[Path]) -> None:
    import duckdb

    if not paths:
        raise LinkageError("no file was given; name at least one CSV, JSON Lines or Parquet file")
    parts: list[str] = []
    for path in paths:
        reader = _READERS.get(path.suffix.lower())
        if reader is None:
            raise LinkageError(
                f"{path}: cannot read files that end in {path.suffix or 'nothing'!r}; use one of {', '.join(_READERS)}"
            )
        if not path.is_file():
            raise LinkageError(f"{path}: no such file")
        name = f"arrived_{len(parts)}"
        try:
            _read_one(con, name, reader, path)
        except duckdb.Error as error:
            told = " ".join(str(error).splitlines()[:2])
            raise LinkageError(f"{path}: cannot be read ({told})") from error
        parts.append(name)
    union = " union all by name ".join(f"select * from {name}" for name in parts)
    con.execute(f"create table arrived as select *, row_number() over () as kindred_row from ({union})")


def _read_one(con: duckdb.DuckDBPyConnection, name: str, reader: str, path: Path) -> None:
    """One file as text columns; a CSV that is not UTF-8 is read as Latin-1."""
    import duckdb

    query = f"create table {name} as select cast(columns(*) as varchar) from "
    # It may lie in an encrypted landing.
    with given_to_duckdb(con, path) as place:
        source = reader.format(files=literal(place))
        try:
            con.execute(query + source)
        except duckdb.Error as error:
            if not reader.startswith("read_csv") or not any(
                word in str(error).lower() for word in ("utf-8", "unicode")
            ):
                raise
            con.execute(query + source.removesuffix(")") + ", encoding = 'latin-1')")


def _check_ids(con: duckdb.DuckDBPyConnection, id_column: str, source: str | None) -> None:
    keys = ", ".join(quoted(column) for column in (source, id_column) if column)
    wrong = con.execute(
        f"""
        select {quoted(id_column)}, count(*) as times from arrived
        group by {keys} having count(*) > 1 or {quoted(id_column)} is null
        order by 1 nulls first limit 1
        """
    ).fetchall()
    if wrong:
        value, times = wrong[0]
        told = "is empty" if value is None else f"holds {value!r}"
        raise LinkageError(
            f"column {id_column!r} {told} in {times} row(s); every record needs its own id"
            + ("" if source else " (or name the column of their source with --source)")
        )


def _write(con: duckdb.DuckDBPyConnection, out: Path, *, with_source: bool) -> None:
    form = "csv, header" if out.suffix.lower() == ".csv" else "parquet"
    out.parent.mkdir(parents=True, exist_ok=True)
    source = "canonical.source, " if with_source else ""
    con.execute(
        f"""
        copy (
            select
                canonical.source_record_id as record_id, {source}
                members.cluster_id as customer_id, members.match_probability
            from canonical
            inner join members on canonical.record_id = members.record_id
            order by canonical.record_id
        ) to {literal(str(out))} (format {form})
        """
    )

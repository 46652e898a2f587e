"""`kindred resolve`: any files in, people out.

What belongs here: reading files, bringing their columns onto the canonical record, and running
the engine over them. What does not: the engine itself, and the command line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.linkage.clustering import cluster
from orchestration.linkage.columns import ColumnMapping, map_columns
from orchestration.linkage.errors import LinkageError
from orchestration.linkage.features import EXTRA_PREFIX
from orchestration.linkage.model import LinkageModel
from orchestration.linkage.scoring import score
from orchestration.linkage.sql import columns_of, literal, quoted, scalar_int
from orchestration.linkage.training import train
from orchestration.standardise import RECORD_COLUMNS, standardise_records

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
        score(con, used, "records", "edges")
        cluster(con, used, "records", "edges", "members")
        records, customers, largest = con.execute(
            """
            with sizes as (select cluster_id, count(*) as size from members group by all)
            select coalesce(sum(size), 0), count(*), coalesce(max(size), 0) from sizes
            """
        ).fetchall()[0]
        _write(con, out, with_source=source_column is not None)
    finally:
        con.close()
    if report is not None:
        from orchestration.linkage.reporting import write_report

        write_report(used, report)
    return Resolution(int(records), int(customers), int(largest), used, chosen, out)


def load_files(
    con: duckdb.DuckDBPyConnection,
    paths: Sequence[Path],
    id_column: str,
    source_column: str | None = None,
    mapping: Mapping[str, str] | None = None,
) -> ColumnMapping:
    """Read files into the tables `arrived` (with the ids) and `records` (standardised)."""
    _read(con, paths)
    columns = list(columns_of(con, "arrived"))
    for needed in (id_column, source_column):
        if needed is not None and needed not in columns:
            raise LinkageError(f"column {needed!r} is not in the files; they have {', '.join(columns)}")
    reserved = [id_column, *([source_column] if source_column else [])]
    chosen = map_columns([c for c in columns if c != "kindred_row"], reserved, mapping)
    _check_ids(con, id_column, source_column)
    _bring_to_canonical(con, chosen, id_column, source_column)
    standardise_records(con, "canonical", "standard", earliest_birth_date=EARLIEST_BIRTH_DATE)
    _add_further_evidence(con, chosen)
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
            con.execute(
                f"create table {name} as select cast(columns(*) as varchar) "
                f"from {reader.format(files=literal(str(path)))}"
            )
        except duckdb.Error as error:
            first_line = str(error).splitlines()[0]
            raise LinkageError(f"{path}: cannot be read ({first_line})") from error
        parts.append(name)
    union = " union all by name ".join(f"select * from {name}" for name in parts)
    con.execute(f"create table arrived as select *, row_number() over () as kindred_row from ({union})")


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


def _bring_to_canonical(
    con: duckdb.DuckDBPyConnection,
    mapping: ColumnMapping,
    id_column: str,
    source: str | None,
) -> None:
    have = {name: f"nullif(trim({quoted(column)}), '')" for name, column in mapping.attributes.items()}

    def take(name: str) -> str:
        return have.get(name, "null::varchar")

    box = f"'PO Box ' || {have['po_box']}" if "po_box" in have else "null::varchar"
    street = f"nullif(concat_ws(' ', {take('house_number')}, {take('street')}), '')"
    values = {
        **{name: take(name) for name in RECORD_COLUMNS[3:17]},
        "street": f"coalesce({street}, {take('full_address')}, {box})",
    }
    if "full_name" in have:
        # Names in one column are taken apart where there are no separate ones.
        name = f"regexp_replace({have['full_name']}, '^\\s*([^,]+),\\s*([^,]+)$', '\\2 \\1')"
        alone = f"{take('given_name')} is null and {take('family_name')} is null"
        parts = f"string_split_regex(trim({name}), '\\s+')"
        many = f"{alone} and len({parts}) > 1"
        values["given_name"] = f"case when {many} then {parts}[1] else {take('given_name')} end"
        values["family_name"] = (
            f"case when {many} then {parts}[-1] when {alone} then {name} else {take('family_name')} end"
        )
    selected = ",\n".join(f"{value} as {name}" for name, value in values.items())
    con.execute(
        f"""
        create table canonical as
        select
            lpad(kindred_row::varchar, 12, '0') as record_id,
            {quoted(source) if source else "'file'"} as source,
            {quoted(id_column)} as source_record_id,
            {selected},
            null::timestamp as updated_at,
            null::date as load_date
        from arrived
        """
    )


def _add_further_evidence(con: duckdb.DuckDBPyConnection, mapping: ColumnMapping) -> None:
    """Parts of birth dates, ages, full names and unmapped columns beside the standard record."""
    further = {
        name: f"arrived.{quoted(mapping.attributes[name])}"
        for name in ("full_name", "birth_year", "birth_month", "birth_day", "age")
        if name in mapping.attributes
    }
    if "full_name" in further and not _full_name_adds(con, further["full_name"]):
        del further["full_name"]
    if "full_name" in further:
        further["full_name"] = (
            f"coalesce(nullif(trim({further['full_name']}), ''), "
            "nullif(concat_ws(' ', standard.given_name, standard.middle_name, standard.family_name), ''))"
        )
    for column in mapping.extras:
        name = EXTRA_PREFIX + "".join(c if c.isalnum() else "_" for c in column.lower())
        if name not in further and _is_evidence(con, column):
            further[name] = f"arrived.{quoted(column)}"
    listed = "".join(f", {value} as {quoted(name)}" for name, value in further.items())
    con.execute(
        f"""
        create table records as
        select standard.* {listed}
        from standard
        inner join arrived on standard.record_id = lpad(arrived.kindred_row::varchar, 12, '0')
        """
    )


def _full_name_adds(con: duckdb.DuckDBPyConnection, column: str) -> bool:
    """Whether a full name stands beside its parts and says more (titles, further names).

    Where it is the only name, or stands in for the parts, it was taken apart into them already.
    """
    both, more = con.execute(
        f"""
        select
            count(*) filter (where {column} is not null),
            count(*) filter (
                where
                    len(string_split_regex(trim({column}), '\\s+'))
                    > len(string_split_regex(
                        concat_ws(' ', standard.given_name, standard.middle_name, standard.family_name), '\\s+'))
            )
        from arrived
        inner join standard on standard.record_id = lpad(arrived.kindred_row::varchar, 12, '0')
        where standard.given_name is not null and standard.family_name is not null
        """
    ).fetchall()[0]
    records = scalar_int(con, "select count(*) from arrived")
    return bool(both * 2 > records and more * 10 > both)


def _is_evidence(con: duckdb.DuckDBPyConnection, column: str) -> bool:
    """Whether an unmapped column can say something that no attribute says already.

    Some value has to repeat and values have to differ; a column that mostly repeats the name or
    another attribute (`first_and_surname`) would only count it twice.
    """
    name = quoted(column)
    records = scalar_int(con, "select count(*) from arrived")
    filled, distinct, longest = con.execute(
        f"select count({name}), count(distinct lower(trim({name}))), coalesce(max(length({name})), 0) from arrived"
    ).fetchall()[0]
    if not (filled * 100 >= records and 1 < distinct < 0.95 * filled and longest <= 200):
        return False
    repeats = " + ".join(
        f"coalesce(contains(lower(arrived.{name}), lower(standard.{attribute})), false)::int"
        for attribute in ("given_name", "family_name", "email", "phone", "street", "city", "postcode")
    )
    repeated = scalar_int(
        con,
        f"""
        select count(*) from arrived
        inner join standard on standard.record_id = lpad(arrived.kindred_row::varchar, 12, '0')
        where arrived.{name} is not null and ({repeats}) > 0
        """,
    )
    return bool(repeated * 2 < filled)


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

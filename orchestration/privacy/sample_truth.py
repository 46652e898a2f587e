"""Taking people out of the truth that lies beside a sample company.

Belongs here: the Parquet files of `data/sample_truth`. Does not belong here: landing.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.config import Settings
from orchestration.privacy.closure import Closure
from orchestration.privacy.traces import Traces
from orchestration.sources.names import literal, quote

if TYPE_CHECKING:
    import duckdb

_FOLDER = "sample_truth"


def sample_truth_files(settings: Settings) -> list[Path]:
    """The files of the sample's truth; none where no sample was made."""
    return sorted((settings.data / _FOLDER).glob("*.parquet"))


def erase_sample_truth(settings: Settings, closure: Closure, traces: Traces) -> int:
    """Delete the rows of the people's records, devices and persons, and empty their values elsewhere.

    Returns how many rows went. A relative's landline may be what nobody else's record has any more.
    """
    folder = settings.data / _FOLDER
    records = folder / "records.parquet"
    if not records.exists():
        return 0
    import duckdb
    import pyarrow as pa

    with duckdb.connect() as con:
        con.register("erased", pa.table({"record_id": pa.array(sorted(closure.records), pa.string())}))
        visitors = sorted(visitor for person in closure.people for visitor in person.visitors)
        con.register("erased_visitors", pa.table({"anonymous_id": pa.array(visitors, pa.string())}))
        # As the source names them, without it.
        stitched = sorted(event.split(":", 1)[-1] for person in closure.people for event in person.stitched)
        con.register("erased_events", pa.table({"message_id": pa.array(stitched, pa.string())}))
        con.register("traces", pa.table({"value": pa.array(sorted(traces.values), pa.string())}))
        con.execute(
            f"create temp table erased_people as "
            f"select distinct person_id from read_parquet({literal(str(records))}) semi join erased using (record_id)"
        )
        gone = 0
        for path in sample_truth_files(settings):
            if path != records:
                gone += _rewrite(con, path)
        return gone + _rewrite(con, records)


def _rewrite(con: "duckdb.DuckDBPyConnection", path: Path) -> int:
    source = f"read_parquet({literal(str(path))})"
    columns = {row[0]: row[1] for row in con.execute(f"describe from {source}").fetchall()}
    texts = [quote(name) for name, kind in columns.items() if kind == "VARCHAR"]
    doomed = {
        "record_id": "select record_id from erased",
        "anonymous_id": "select anonymous_id from erased_visitors",
        "message_id": "select message_id from erased_events",
        "person_id": "select person_id from erased_people" if "record_id" not in columns else "",
        "record_key": "select substr(record_id, strpos(record_id, ':') + 1) from erased",
    }
    parts = [f"{quote(name)} in ({query})" for name, query in doomed.items() if name in columns and query]
    if "record_id" in columns:
        # Of a row in quarantine there is no record.
        parts.append("substr(record_id, strpos(record_id, ':') + 1) in (select value from traces)")
    if not parts:
        return 0
    where = " or ".join(f"coalesce({part}, false)" for part in parts)
    count = con.execute(f"select count(*) from {source} where {where}").fetchall()[0][0]
    traced = " or ".join(f"{name} in (select value from traces)" for name in texts) or "false"
    if count or con.execute(f"select count(*) from {source} where {traced}").fetchall()[0][0]:
        emptied = ", ".join(
            f"case when {name} in (select value from traces) then null else {name} end as {name}" for name in texts
        )
        beside = path.with_name(f".{path.name}.erasing")
        con.execute(
            f"copy (select * replace ({emptied}) from {source} where not ({where})) to {literal(str(beside))} (format parquet, compression zstd)"
        )
        beside.replace(path)
    return int(count)

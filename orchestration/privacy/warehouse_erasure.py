"""Taking people out of the working DuckDB file.

Belongs here: deleting their rows from every table by the tables' columns, moving the numbers of rows that stood behind
them, mending the accounts of loads, rebuilding aggregates, and proving that everybody else's rows are as they were. Does
not belong here: which rows (`relations.py`), and writing the file anew (`orchestration.warehouse.rewrite`).
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestration.identity import forget_customers
from orchestration.privacy.errors import ErasureError
from orchestration.privacy.landing_erasure import RewrittenFile
from orchestration.privacy.relations import (
    CUSTOMERS,
    ENDED_IDS,
    IS_MARKED,
    PERSON_SCHEMAS,
    PLACE_COLUMNS,
    RECORDS,
    Relation,
    mark_rows,
    relations,
)
from orchestration.privacy.traces import Traces
from orchestration.sources.load import day_fingerprint
from orchestration.sources.names import quote

if TYPE_CHECKING:
    import duckdb

    from orchestration.project import Project

MARKS = "quality.erasures"
LINKAGE_STATE = "resolution.linkage_"
HOUSEHOLDS = "cleansing.household_members"
_REMOVED = "removed_rows"


@dataclass(frozen=True)
class TableProof:
    """Everybody else's rows of a table, before and after."""

    table: str
    rows: int
    before: str
    after: str

    @property
    def unchanged(self) -> bool:
        """No row of anybody else was changed, added or lost."""
        return self.before == self.after


def aggregates(project: "Project", con: "duckdb.DuckDBPyConnection") -> dict[str, str]:
    """The dbt tables that are rebuilt rather than deleted from: `schema.table` to model name.

    Those are whatever says something of all together: tables without a column that names a person, and the analyses,
    where a score is a rank among others; and the redirects of ids, which follow from what is remembered of ids.
    """
    present = {item.label: item for item in relations(con)}
    found = {}
    for node in project.transform.manifest["nodes"].values():
        if node["resource_type"] != "model" or node["config"]["materialized"] == "view":
            continue
        label = f"{node['schema']}.{node['alias']}"
        item = present.get(label)
        if item is not None and (
            item.condition("held") is None or item.of_many or item.schema == "analysis" or label in ENDED_IDS
        ):
            found[label] = node["name"]
    return dict(sorted(found.items()))


def broken_households(project: "Project", con: "duckdb.DuckDBPyConnection") -> dict[str, str]:
    """The dbt table that says which household a customer is in, when somebody's household has lost its first or its second
    last member; as `aggregates` answers. The closure is in the temporary tables.
    """
    present = {item.label: item for item in relations(con)}
    if HOUSEHOLDS not in present:
        return {}
    broken = con.execute(
        f"""
        select household_id
        from {HOUSEHOLDS}
        group by household_id
        having bool_or(founding_customer_id in (select customer_id from {CUSTOMERS}))
            or (count(*) = 1 and min(household_rule) <> 'alone')
        limit 1
        """
    ).fetchall()
    return {HOUSEHOLDS: HOUSEHOLDS.split(".")[1]} if broken else {}


def move_households(con: "duckdb.DuckDBPyConnection") -> list[str]:
    """Let every table of customers name the households that were made anew. Returns the tables that changed."""
    moved = []
    for item in relations(con):
        if item.label != HOUSEHOLDS and {"household_id", "customer_id"} <= set(item.columns):
            (count,) = con.execute(
                f"""
                update {item.sql} as held
                set household_id = members.household_id
                from {HOUSEHOLDS} as members
                where held.customer_id = members.customer_id and held.household_id is distinct from members.household_id
                """
            ).fetchall()[0]
            moved += [item.label] if count else []
    return moved


def linkage_state(con: "duckdb.DuckDBPyConnection") -> list[str]:
    """The tables that linkage keeps for its next run."""
    return [item.label for item in relations(con) if item.label.startswith(LINKAGE_STATE)]


def derived(con: "duckdb.DuckDBPyConnection") -> dict[str, str]:
    """Every table behind raw, for when all of them are derived anew: `schema.table` to itself."""
    return {item.label: item.label for item in relations(con) if item.schema not in ("raw",)}


def erase_warehouse(
    project: "Project",
    con: "duckdb.DuckDBPyConnection",
    request_id: str,
    files: Sequence[RewrittenFile],
    rebuilt: Collection[str],
    traces: Traces,
) -> dict[str, int]:
    """Delete the rows of the closure in the temporary tables from every table. Returns how many, by table.

    One transaction with a mark in it: done a second time it changes nothing and answers the same.
    """
    con.execute(f"create table if not exists {MARKS} (request_id varchar, removed json, others json)")
    done = con.execute(f"select removed from {MARKS} where request_id = ?", [request_id]).fetchall()
    if done:
        return dict(json.loads(done[0][0]))
    con.execute("begin")
    try:
        others: dict[str, list[Any]] = {}
        removed: dict[str, int] = {}
        for item in relations(con):
            if not item.condition("held"):
                continue
            count = mark_rows(con, item)
            if item.label not in rebuilt:
                others[item.label] = fingerprint(con, item, _not_others(con, item, IS_MARKED))
            if count:
                removed[item.label] = count
                if item.label not in ENDED_IDS:
                    con.execute(f"delete from {item.sql} as held where {IS_MARKED}")
        _end_ids(con)
        # What linkage remembers from run to run counts all records together: the next run makes it anew.
        for label in sorted(rebuilt):
            if label.startswith(LINKAGE_STATE):
                con.execute(f"delete from {label}")
        _move_rows(con, files)
        _mend_accounts(project, con, files)
        _blank_texts(con, traces)
        # What was published is no longer what is there: the next run must not be skipped.
        if any(item.label == "quality.published_state" for item in relations(con)):
            con.execute("delete from quality.published_state")
        con.execute(f"insert into {MARKS} values (?, ?, ?)", [request_id, json.dumps(removed), json.dumps(others)])
        con.execute("commit")
    except BaseException:
        con.execute("rollback")
        raise
    return removed


def _end_ids(con: "duckdb.DuckDBPyConnection") -> None:
    """Let the customers' ids lead to nobody, from the newest load date on."""
    customers = [row[0] for row in con.execute(f"select distinct customer_id from {CUSTOMERS}").fetchall()]
    records = [row[0] for row in con.execute(f"select distinct record_id from {RECORDS}").fetchall()]
    (day,) = con.execute("select max(load_date) from quality.loads").fetchall()[0]
    if day is not None and (customers or records):
        forget_customers(con, customers, day, records=records, within=True)


def _not_others(con: "duckdb.DuckDBPyConnection", item: Relation, condition: str | None) -> str:
    """SQL, true for the rows that the comparison leaves out: the people's, and what a run that was never published
    noted of ids, which forgetting an id takes back."""
    if item.label != "resolution.id_events":
        return str(condition)
    emptied = "(held.evidence ->> 'erased') is not null"
    published = con.execute("select max(events) from resolution.accepted_run").fetchall()[0][0]
    later = f" or held.position > {int(published)}" if published is not None else ""
    return f"({condition} or coalesce({emptied}, false){later})"


def prove_others(con: "duckdb.DuckDBPyConnection", request_id: str) -> list[TableProof]:
    """Compare everybody else's rows with what they were; the closure is in the temporary tables.

    Raises ErasureError when any has changed.
    """
    rows = con.execute(f"select others from {MARKS} where request_id = ?", [request_id]).fetchall()
    if not rows:
        raise ErasureError(f"the warehouse has no mark of the request {request_id}; run `kindred erase --resume`.")
    before: Mapping[str, Any] = json.loads(rows[0][0])
    proofs = []
    present = {item.label: item for item in relations(con)}
    for label, was in before.items():
        now = [0, "none"]
        if label in present:
            item = present[label]
            # Elsewhere nothing of theirs is left, and rows of others have moved up into the places of theirs.
            theirs = _not_others(con, item, item.condition("held")) if label in ENDED_IDS else None
            now = fingerprint(con, item, theirs)
        proofs.append(TableProof(label, int(was[0]), f"{was[0]}:{was[1]}", f"{now[0]}:{now[1]}"))
    changed = [proof.table for proof in proofs if not proof.unchanged]
    if changed:
        raise ErasureError(
            f"rows of other people are not as they were in {', '.join(changed)}. No certificate is given and the request "
            "stays open. Rebuild the warehouse from landing and the ledger, and run `kindred erase --resume`."
        )
    return proofs


def fingerprint(con: "duckdb.DuckDBPyConnection", item: Relation, condition: str | None) -> list[Any]:
    """Number of the rows that do not meet the condition (of all without one), and a hash over all their hashes, in no
    order."""
    kept = [quote(name) for name in item.columns if name not in PLACE_COLUMNS]
    rows = con.execute(
        f"""
        with others as (select {", ".join(kept)} from {item.sql} as held where not ({condition or "false"}))
        select count(*), md5(concat_ws('/', sum(hash(others))::varchar, bit_xor(hash(others))::varchar)) from others
        """
    ).fetchall()
    return [int(rows[0][0]), str(rows[0][1])]


def rename_model(con: "duckdb.DuckDBPyConnection", versions: Mapping[str, str]) -> None:
    """Let scores name the model's successor, which scores as it did."""
    for item in relations(con):
        for name in item.columns:
            if name == "model_version":
                for old, new in versions.items():
                    con.execute(f"update {item.sql} set {quote(name)} = ? where {quote(name)} = ?", [new, old])


def _move_rows(con: "duckdb.DuckDBPyConnection", files: Sequence[RewrittenFile]) -> None:
    """Rows behind removed ones have moved up in their files."""
    import pyarrow as pa

    loaded = [item for item in files if item.loaded]
    if not loaded:
        return
    flat = [(item.table, item.load_date, item.file, row) for item in loaded for row in item.rows]
    columns = list(zip(*flat, strict=True))
    names = ("table_name", "load_date", "file", "row_number")
    con.register("removed_arrow", pa.table({name: list(column) for name, column in zip(names, columns, strict=True)}))
    con.execute(
        f"""
        create or replace temp table {_REMOVED} as
        select *, row_number() over (partition by table_name, load_date, file order by row_number) as n from removed_arrow
        """
    )
    con.unregister("removed_arrow")
    present = {item.label for item in relations(con)}
    for table in sorted({item.table for item in loaded}):
        _move(con, f'raw."{table}"', "_load_date", "_file", "_row", f"'{table}'")
        if f"quarantine.{table}" in present:
            _move(con, f'quarantine."{table}"', "load_date", "file", "row_number", f"'{table}'")
    for name in ("quality.row_decisions", "quality.discarded_rows"):
        if name in present:
            _move(con, name, "load_date", "file", "row_number", "substr(held.table_name, 5)")
    con.execute(f"drop table {_REMOVED}")


def _move(con: "duckdb.DuckDBPyConnection", table: str, day: str, file: str, row: str, name: str) -> None:
    con.execute(
        f"""
        create or replace temp table moves as
        select held.rowid as moved, removed.n
        from {table} as held
        asof inner join {_REMOVED} as removed
            on {name} = removed.table_name
            and held.{day} = removed.load_date
            and held.{file} = removed.file
            and held.{row} > removed.row_number
        """
    )
    con.execute(f"update {table} as held set {row} = held.{row} - moves.n from moves where held.rowid = moves.moved")
    con.execute("drop table moves")


def _mend_accounts(project: "Project", con: "duckdb.DuckDBPyConnection", files: Sequence[RewrittenFile]) -> None:
    """Loads as they would be of the rewritten files: else the next run would load the days again, and report drift."""
    by_name = {table.raw_name: (contract, table) for contract, table in project.tables}
    days = sorted({(item.table, item.load_date) for item in files if item.loaded})
    for item in files:
        if item.loaded:
            con.execute(
                "update quality.loads set rows_landed = rows_landed - ? where table_name = ? and load_date = ? and file = ?",
                [len(item.rows), f"raw.{item.table}", item.load_date, item.file],
            )
    for table, day in days:
        fresh = day_fingerprint(*by_name[table], day, project.settings.landing)
        con.execute(
            f"""
            update quality.loads as loads
            set fingerprint = ?,
                rows_loaded = (
                    select count(*) from raw."{table}" as r where r._load_date = loads.load_date and r._file = loads.file
                ),
                rows_quarantined = (
                    select count(distinct q.row_number)
                    from quarantine."{table}" as q
                    where q.load_date = loads.load_date and q.file = loads.file
                )
            where loads.table_name = ? and loads.load_date = ?
            """,
            [fresh, f"raw.{table}", day],
        )
        _mend_reconciliation(con, table, day)


def _mend_reconciliation(con: "duckdb.DuckDBPyConnection", table: str, day: Any) -> None:
    if not any(item.label == "quality.reconciliation" for item in relations(con)):
        return
    con.execute(
        f"""
        update quality.reconciliation as account
        set landed = now.landed, loaded = now.loaded, quarantined = now.quarantined, discarded = now.discarded,
            superseded = case when account.superseded is null then null else least(account.superseded, now.loaded) end,
            difference = now.landed - now.loaded - now.quarantined - now.discarded - account.suppressed
        from (
            select
                (select coalesce(sum(rows_landed), 0) from quality.loads where table_name = $name and load_date = $day) as landed,
                (select count(*) from raw."{table}" where _load_date = $day) as loaded,
                (select count(distinct (file, row_number)) from quarantine."{table}" where load_date = $day) as quarantined,
                (select count(*) from quality.discarded_rows where table_name = $name and load_date = $day) as discarded
        ) as now
        where account.table_name = $name and account.load_date = $day
        """,
        {"name": f"raw.{table}", "day": day},
    )


def _blank_texts(con: "duckdb.DuckDBPyConnection", traces: Traces) -> None:
    """Blank the person's values in tables that name nobody: what a gate observed, what a message quoted."""
    for item in relations(con):
        if item.condition("held") is not None or item.schema in PERSON_SCHEMAS or item.label == MARKS:
            continue
        for name in item.texts:
            column = quote(name)
            for (value,) in con.execute(
                f"select distinct {column}::varchar from {item.sql} where {column} is not null"
            ).fetchall():
                blanked, places = traces.redact(value.encode())
                if places:
                    con.execute(
                        f"update {item.sql} set {column} = ? where {column}::varchar = ?", [blanked.decode(), value]
                    )

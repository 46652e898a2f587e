"""Seconds and memory of linkage on many records, beside a bare Splink script on the same pairs.

What belongs here: making a population, timing training, a full run, ids, an increment of one percent,
and Splink's own `predict` with the same comparisons over the same candidate pairs. Wall time says
little on a machine with other work: processor time stands beside it. What does not:
accuracy, which has a benchmark of its own.

Run: `python benchmarks/linkage_speed.py [--records 1000000] [--memory 4GB]`
"""

from __future__ import annotations

import argparse
import logging
import resource
import sys
import time
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, TypeVar

from orchestration.identity import accept_ids, assign_ids
from orchestration.linkage import train, update_clusters, update_edges
from orchestration.linkage.blocking import PAIRS, Budget, make_pairs
from orchestration.linkage.scoring import prepared
from orchestration.linkage.sql import scalar_int

if TYPE_CHECKING:
    import duckdb

    from orchestration.linkage import LinkageModel

RECORDS_PER_PERSON = 2.5
FIRST_DAY = date(2026, 1, 5)
Result = TypeVar("Result")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print one line per step."""
    import duckdb

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", default="4GB", help="DuckDB's memory limit")
    options = parser.parse_args(arguments)
    con = duckdb.connect(":memory:")
    con.execute(f"set threads = {options.threads}")
    con.execute(f"set memory_limit = '{options.memory}'")
    make_population(con, options.records)
    con.execute("alter table records rename to everyone")
    con.execute("create table records as select * from everyone where hash(record_id) % 100 != 0")
    train_seconds, model = _timed("train", lambda: train(con, "records"))
    edges_seconds, edges = _timed("edges, full", lambda: update_edges(con, model, "records", "edges"))
    clusters_seconds, _ = _timed("clusters, full", lambda: update_clusters(con, model, "records", "edges", "clusters"))
    ids_seconds, _ = _timed("ids", lambda: _give_ids(con, FIRST_DAY, model))
    scored = edges_seconds + clusters_seconds
    together = train_seconds + scored + ids_seconds
    print(f"together {together:.1f} s, peak {_peak_memory_mb()} MB")
    con.execute("create or replace table records as select * from everyone")
    more_edges, update = _timed("edges, one percent more", lambda: update_edges(con, model, "records", "edges"))
    more_clusters, _ = _timed(
        "clusters, one percent more", lambda: update_clusters(con, model, "records", "edges", "clusters")
    )
    more_ids, _ = _timed("ids, one percent more", lambda: _give_ids(con, FIRST_DAY + timedelta(days=1), model))
    increment = more_edges + more_clusters + more_ids
    kind = "full" if update.full else "incremental"
    print(f"full: {edges.scored:,} scored in {edges.compared:,} pairs; then {update.scored:,} in {update.compared:,}")
    print(
        f"increment ({kind}) {increment:.1f} s: {increment / together:.3f} of all of the full run, "
        f"{increment / (scored + ids_seconds):.3f} of it without training"
    )
    pairs, seconds = bare_splink(con, model)
    print(f"bare Splink: {pairs:,} pairs blocked and scored in {seconds:.1f} s")
    print(f"edges + clusters against bare Splink: {scored / seconds:.2f}")
    return 0


def make_population(con: duckdb.DuckDBPyConnection, records: int) -> None:
    """The table `records`: 2.5 noisy records a person, three people a home, from hashes alone."""
    people = max(1, int(records / RECORDS_PER_PERSON))
    con.execute(
        f"""
        create table records as
        with drawn as (
            select number, (hash(number, 1) % {people})::bigint as person from range({records}) as numbers (number)
        ),
        people as (
            select
                number, person, person // 3 as home,
                (sqrt(hash(person, 2) % 4000000))::bigint as given_number,
                (sqrt(hash(person // 3, 3) % 400000000))::bigint as family_number,
                date '1940-01-01' + (hash(person, 4) % 23000)::integer as born,
                hash(number, 5) % 100 as typing, hash(number, 6) % 100 as filled, hash(number, 7) % 100 as more
            from drawn
        ),
        named as (
            select
                *,
                translate(given_number::varchar, '0123456789', 'aeioulnrst') || 'ka' as given,
                translate(family_number::varchar, '0123456789', 'bcdaefgiho') || 'son' as family
            from people
        )
        select
            number::varchar as record_id, 's' as source, date '2026-01-05' as first_load_date,
            case when typing < 5 then left(given, -1) else given end as given_name,
            case when typing between 5 and 9 then family || 'e' else family end as family_name,
            case when filled < 80 then born end as birth_date,
            case when filled < 60 then given || person || '@mail.org' end as email,
            case when more < 70 then '+1415' || (2000000 + home % 7999999) end as phone,
            (1 + hash(home, 8) % 400) || ' ' || translate((hash(home, 9) % 20000)::varchar, '0123456789', 'maplestrou')
                || ' street' as street,
            (10000 + hash(home, 10) % 30000)::varchar as postcode,
            translate((hash(home, 11) % 900)::varchar, '0123456789', 'villageton') || 'ville' as city
        from named
        """
    )


def bare_splink(con: duckdb.DuckDBPyConnection, model: LinkageModel) -> tuple[int, float]:
    """Splink's `predict` alone: the same features, comparisons and pairs; returns pairs and seconds."""
    from splink import DuckDBAPI, Linker

    for name in ("splink", "splink.internals"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with prepared(con, model, "records") as features:
        work = features.con
        started = time.perf_counter()
        make_pairs(work, model.keys, model.caps, Budget())
        pairs = scalar_int(work, f"select count(*) from {PAIRS}")
        work.execute(
            f"create table given_pairs as select '0' as match_key, l as join_key_l, r as join_key_r from {PAIRS}"
        )
        api = DuckDBAPI(connection=work)
        linker = Linker(api.register("features"), model.splink_settings())
        linker.table_management.register_blocked_pairs_for_predict(api.register("given_pairs"))
        linker.inference.predict(threshold_match_weight=-12.0, warning_mode="never")
        return pairs, time.perf_counter() - started


def _give_ids(con: duckdb.DuckDBPyConnection, day: date, model: LinkageModel) -> None:
    """Assign and accept customer ids, as a run does."""
    assign_ids(con, "clusters", "records", day, model_version=model.version, edges="edges")
    accept_ids(con, day, model.version, clusters="clusters", said="linkage_features")


def _timed(step: str, work: Callable[[], Result]) -> tuple[float, Result]:
    started, used = time.perf_counter(), time.process_time()
    result = work()
    seconds, processor = time.perf_counter() - started, time.process_time() - used
    print(f"{step}: {seconds:.1f} s ({processor:.1f} s of processor), peak {_peak_memory_mb()} MB", flush=True)
    return seconds, result


def _peak_memory_mb() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (1024 * 1024 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    sys.exit(main())

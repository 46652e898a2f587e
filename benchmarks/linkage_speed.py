"""Seconds and memory of linkage on many records, beside a bare Splink script on the same pairs.

What belongs here: making a population, timing training, scoring and clustering, and timing
Splink's own `predict` with the same comparisons over the same candidate pairs. What does not:
accuracy, which has a benchmark of its own.

Run: `python benchmarks/linkage_speed.py [--records 1000000] [--memory 4GB]`
"""

from __future__ import annotations

import argparse
import logging
import resource
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from orchestration.linkage import cluster, score, train
from orchestration.linkage.blocking import PAIRS, Budget, make_pairs
from orchestration.linkage.scoring import prepared
from orchestration.linkage.sql import scalar_int

if TYPE_CHECKING:
    import duckdb

    from orchestration.linkage import LinkageModel

RECORDS_PER_PERSON = 2.5


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
    started = time.perf_counter()
    model = train(con, "records")
    trained = _told("train", started)
    score(con, model, "records", "edges")
    scored = _told("score", trained)
    cluster(con, model, "records", "edges", "members")
    done = _told("cluster", scored)
    print(f"together {done - started:.1f} s, peak {_peak_memory_mb()} MB")
    pairs, seconds = bare_splink(con, model)
    print(f"bare Splink: {pairs:,} pairs blocked and scored in {seconds:.1f} s")
    print(f"score + cluster against bare Splink: {(done - trained) / seconds:.2f}")
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
            number::varchar as record_id, 's' as source,
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
        make_pairs(work, model.keys, Budget())
        pairs = scalar_int(work, f"select count(*) from {PAIRS}")
        work.execute(
            f"create table given_pairs as select '0' as match_key, l as join_key_l, r as join_key_r from {PAIRS}"
        )
        api = DuckDBAPI(connection=work)
        linker = Linker(api.register("features"), model.splink_settings())
        linker.table_management.register_blocked_pairs_for_predict(api.register("given_pairs"))
        linker.inference.predict(threshold_match_weight=-12.0, warning_mode="never")
        return pairs, time.perf_counter() - started


def _told(step: str, since: float) -> float:
    now = time.perf_counter()
    print(f"{step}: {now - since:.1f} s, peak {_peak_memory_mb()} MB", flush=True)
    return now


def _peak_memory_mb() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (1024 * 1024 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    sys.exit(main())

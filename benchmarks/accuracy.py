"""Accuracy of linkage on every data set of the benchmark folder, beside stock Splink.

What belongs here: reading the sets, running Kindred's engine and a stock Splink configuration on
the same raw columns, and writing `benchmarks/ACCURACY.md`. What does not: anything that the
engine could learn the truth from; `entity_id` and `household_id` never reach it.

Each set is measured in a process of its own, so that its peak memory is its own; stock Splink runs
after Kindred in the same process, so that its figure is the higher of the two.

Run: `python benchmarks/accuracy.py [--folder ../shared/benchmarks/er] [--only NAME ...]`
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.linkage import ClusterScores, cluster, evaluate, score, train
from orchestration.linkage.recall import blocking_recall
from orchestration.linkage.resolving import load_files
from orchestration.linkage.sql import columns_of, scalar_int

if TYPE_CHECKING:
    import duckdb

ROOT = Path(__file__).resolve().parent.parent
TRUTH_COLUMNS = ("entity_id", "household_id")

# Pairwise and B-cubed F1 of the clusters that each set is meant to reach.
TARGETS = {
    "febrl3": (0.998, 0.999),
    "febrl4": (0.999, 0.999),
    "fake_1000": (0.92, 0.95),
    "historical_50k": (0.88, 0.90),
    "pp_multi": (0.97, 0.985),
    "households_50k": (0.96, 0.975),
    "senzing_truthset": (0.95, 0.97),
}


@dataclass(frozen=True)
class Measured:
    """One engine on one set: scores of the clusters, and what they cost."""

    scores: ClusterScores
    blocking_recall: float
    candidate_pairs: int
    seconds: float
    peak_memory_mb: int
    threshold_weight: float
    expected_precision: float | None = None
    expected_recall: float | None = None


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the sets and write the report; 0 also when the folder is absent."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT.parent / "shared" / "benchmarks" / "er")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "ACCURACY.md")
    parser.add_argument("--only", nargs="*", help="names of sets; all of the folder otherwise")
    parser.add_argument("--without-splink", action="store_true", help="leave stock Splink out")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        ours, stock, records = measure(options.one, with_splink=not options.without_splink)
        print(json.dumps({"ours": asdict(ours), "stock": asdict(stock) if stock else None, "records": records}))
        return 0
    sets = sorted(path.parent for path in options.folder.glob("*/records.parquet"))
    if options.only:
        sets = [folder for folder in sets if folder.name in options.only]
    if not sets:
        print(f"no data set in {options.folder}: nothing measured, {options.out.name} left as it is")
        return 0
    rows: list[tuple[str, int, Measured, Measured | None]] = []
    for folder in sets:
        ours, stock, records = _in_own_process(folder, with_splink=not options.without_splink)
        rows.append((folder.name, records, ours, stock))
        print(
            f"{folder.name}: pairwise F1 {ours.scores.pairwise_f1:.4f}, B-cubed F1 {ours.scores.bcubed_f1:.4f}, "
            f"{ours.seconds:.1f} s" + (f"; stock Splink {stock.scores.pairwise_f1:.4f}" if stock else ""),
            flush=True,
        )
    options.out.write_text(report(rows), encoding="utf-8")
    return 0


def _in_own_process(folder: Path, *, with_splink: bool) -> tuple[Measured, Measured | None, int]:
    command = [sys.executable, str(Path(__file__).resolve()), "--one", str(folder)]
    if not with_splink:
        command.append("--without-splink")
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    said = json.loads(done.stdout.splitlines()[-1])
    ours, stock = (_measured(said[engine]) if said[engine] else None for engine in ("ours", "stock"))
    assert ours is not None
    return ours, stock, int(said["records"])


def _measured(values: dict[str, Any]) -> Measured:
    return Measured(**{**values, "scores": ClusterScores(**values["scores"])})


def measure(folder: Path, *, with_splink: bool) -> tuple[Measured, Measured | None, int]:
    """Kindred and stock Splink on one set."""
    import duckdb

    con = duckdb.connect(":memory:")
    con.execute("set threads = 2")
    truth_file = folder / "records.parquet"
    with tempfile.TemporaryDirectory() as scratch:
        raw = Path(scratch) / "records.parquet"
        con.execute(f"create view with_truth as select * from read_parquet('{truth_file}')")
        hidden = [column for column in TRUTH_COLUMNS if column in columns_of(con, "with_truth")]
        con.execute(f"copy (select * exclude ({', '.join(hidden)}) from with_truth) to '{raw}' (format parquet)")
        started = time.perf_counter()
        load_files(con, [raw], "rec_id", "source")
    model = train(con, "records")
    score(con, model, "records", "edges")
    cluster(con, model, "records", "edges", "members")
    seconds = time.perf_counter() - started
    peak = _peak_memory_mb()
    con.execute(
        """
        create table truth as
        select canonical.record_id, with_truth.entity_id as person_id
        from canonical
        inner join with_truth
            on canonical.source_record_id = with_truth.rec_id and canonical.source = with_truth.source
        """
    )
    scores = evaluate(con, "members", "truth", cluster_col="cluster_id")
    ours = Measured(
        scores=scores,
        blocking_recall=blocking_recall(con, model, "records", "truth").recall,
        candidate_pairs=int(model.report["candidate_pairs"]),
        seconds=seconds,
        peak_memory_mb=peak,
        threshold_weight=model.threshold_weight,
        expected_precision=model.report.get("expected_precision"),
        expected_recall=model.report.get("expected_recall"),
    )
    records = scalar_int(con, "select count(*) from records")
    stock = _stock_splink(con) if with_splink else None
    con.close()
    return ours, stock, records


def _peak_memory_mb() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (1024 * 1024 if sys.platform == "darwin" else 1024)


def _stock_splink(con: duckdb.DuckDBPyConnection) -> Measured | None:
    """Splink as its own tutorial sets it up, on the same mapped columns, at a fixed 0.95.

    It gets Kindred's mapping of columns to attributes and lower-case values, and none of the
    rest: no kinds of pairs, no nicknames, no placeholders, no threshold from the data.
    """
    import logging

    import duckdb
    import splink.comparison_library as library
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    for name in ("splink", "splink.internals"):
        logging.getLogger(name).setLevel(logging.ERROR)
    work = duckdb.connect(":memory:")
    work.execute("set threads = 2")
    attributes = (
        "given_name", "family_name", "birth_date", "email", "phone", "street", "city", "postcode", "national_id",
    )  # fmt: skip
    kept = ", ".join(f"nullif(lower(trim(cast({name} as varchar))), '') as {name}" for name in attributes)
    work.register("arriving", con.execute(f"select record_id as unique_id, {kept} from standard").to_arrow_table())
    work.execute("create table people as select * from arriving")
    filled = {name for name in attributes if scalar_int(work, f"select count(distinct {name}) from people") > 1}
    comparisons = {
        "given_name": library.NameComparison("given_name"),
        "family_name": library.NameComparison("family_name"),
        "birth_date": library.DateOfBirthComparison("birth_date", input_is_string=True),
        "email": library.EmailComparison("email"),
        "phone": library.ExactMatch("phone"),
        "street": library.LevenshteinAtThresholds("street", 2),
        "city": library.ExactMatch("city").configure(term_frequency_adjustments=True),
        "postcode": library.ExactMatch("postcode"),
        "national_id": library.LevenshteinAtThresholds("national_id", 2),
    }
    wanted = [
        ("given_name", "family_name"), ("birth_date", "family_name"), ("birth_date", "given_name"), ("email",),
        ("national_id",), ("phone",), ("postcode", "given_name"), ("postcode", "family_name"),
    ]  # fmt: skip
    rules = [keys for keys in wanted if set(keys) <= filled]
    certain = [keys for keys in rules if keys != ("phone",)]
    started = time.perf_counter()
    settings = SettingsCreator(
        link_type="dedupe_only",
        comparisons=[comparisons[name] for name in attributes if name in filled],
        blocking_rules_to_generate_predictions=[block_on(*keys) for keys in rules],
    )
    linker = Linker(DuckDBAPI(connection=work).register("people"), settings)
    training = linker.training
    training.estimate_probability_two_random_records_match([block_on(*keys) for keys in certain], recall=0.7)
    training.estimate_u_using_random_sampling(max_pairs=1_000_000, seed=7)
    for keys in (("given_name", "family_name"), ("birth_date",)):
        if set(keys) <= filled:
            training.estimate_parameters_using_expectation_maximisation(block_on(*keys))
    predicted = linker.inference.predict(threshold_match_probability=0.01)
    clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(predicted, threshold_match_probability=0.95)
    seconds = time.perf_counter() - started
    con.register(
        "stock_members",
        work.execute(f"select unique_id as record_id, cluster_id from {clusters.physical_name}").to_arrow_table(),
    )
    work.register("truth_arrow", con.execute("select record_id, person_id from truth").to_arrow_table())
    proposed, candidates = _stock_candidates(work, [block_on_sql(keys) for keys in rules])
    scores = evaluate(con, "stock_members", "truth", cluster_col="cluster_id")
    measured = Measured(
        scores=scores,
        blocking_recall=proposed / scores.true_pairs if scores.true_pairs else 1.0,
        candidate_pairs=candidates,
        seconds=seconds,
        peak_memory_mb=_peak_memory_mb(),
        threshold_weight=4.2479,
    )
    work.close()
    return measured


def block_on_sql(keys: Sequence[str]) -> str:
    """The condition of a blocking rule over two records l and r."""
    return " and ".join(f"l.{key} = r.{key}" for key in keys)


def _stock_candidates(work: duckdb.DuckDBPyConnection, rules: Sequence[str]) -> tuple[int, int]:
    """True pairs among the candidates of the rules, and all candidates."""
    union = " union ".join(
        f"select l.unique_id as one, r.unique_id as other from people as l inner join people as r "
        f"on {rule} and l.unique_id < r.unique_id"
        for rule in rules
    )
    row = work.execute(
        f"""
        select count(*) filter (where first_truth.person_id = other_truth.person_id), count(*)
        from ({union}) as pairs
        left join truth_arrow as first_truth on pairs.one = first_truth.record_id
        left join truth_arrow as other_truth on pairs.other = other_truth.record_id
        """
    ).fetchall()[0]
    return int(row[0]), int(row[1])


def report(rows: Sequence[tuple[str, int, Measured, Measured | None]]) -> str:
    """The measurements as Markdown."""
    lines = [
        "# Accuracy of linkage",
        "",
        "Written by `python benchmarks/accuracy.py`. Raw columns in, no labels, one engine, its own threshold.",
        "Stock Splink ran on the same mapped columns, as its tutorial sets it up, at 0.95; each set has a process of",
        "its own, in which stock Splink comes second (its peak memory is the process's).",
        "Scores are of clusters. *Blocking recall* is the share of true pairs that were candidates. *Expected*",
        "precision and recall are what training says of the pairs at its threshold, without any truth: of pairs that",
        "were compared, before clusters join what no pair says and cut what contradicts.",
        "",
        "| set | records | pairwise F1 | target | stock Splink | B-cubed F1 | target | stock Splink |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, records, ours, stock in rows:
        target = TARGETS.get(name)
        lines.append(
            f"| {name} | {records:,} | {_mark(ours.scores.pairwise_f1, target and target[0])} "
            f"| {target[0] if target else '–'} | {f'{stock.scores.pairwise_f1:.3f}' if stock else '–'} "
            f"| {_mark(ours.scores.bcubed_f1, target and target[1])} "
            f"| {target[1] if target else '–'} | {f'{stock.scores.bcubed_f1:.3f}' if stock else '–'} |"
        )
    lines += [
        "",
        "| set | engine | pairwise precision | recall | expected precision | expected recall "
        "| B-cubed precision | recall | blocking recall | largest cluster (truth) | threshold weight | candidates "
        "| seconds | peak MB |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, _, ours, stock in rows:
        for engine, measured in (("Kindred", ours), ("stock Splink", stock)):
            if measured is None:
                continue
            scores = measured.scores
            lines.append(
                f"| {name} | {engine} | {scores.pairwise_precision:.4f} | {scores.pairwise_recall:.4f} "
                f"| {_share(measured.expected_precision)} | {_share(measured.expected_recall)} "
                f"| {scores.bcubed_precision:.4f} | {scores.bcubed_recall:.4f} | {measured.blocking_recall:.4f} "
                f"| {scores.largest_cluster} ({scores.largest_entity}) | {measured.threshold_weight:.2f} "
                f"| {measured.candidate_pairs:,} | {measured.seconds:.1f} | {measured.peak_memory_mb} |"
            )
    return "\n".join(lines) + "\n"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _mark(value: float, target: float | None) -> str:
    text = f"{value:.4f}"
    return f"**{text}**" if target is not None and value >= target else text


if __name__ == "__main__":
    sys.exit(main())

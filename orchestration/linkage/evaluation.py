"""Scores a partition of records against a known truth.

What belongs here: pairwise and B-cubed precision, recall and F1 of clusters, computed in SQL
by counting intersections of clusters and entities (never by listing pairs). What does not:
choosing thresholds, reading benchmark files, anything that feeds the truth back to the engine.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from orchestration.linkage.errors import LinkageError
from orchestration.linkage.sql import quoted

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb


@dataclass(frozen=True)
class ClusterScores:
    """Agreement of a partition with the truth, over the records that both tables hold.

    Pairwise scores count pairs of records put together; B-cubed scores (Bagga and Baldwin,
    1998) average per record, so that one large wrong cluster cannot hide many right ones.
    """

    records: int
    clusters: int
    entities: int
    largest_cluster: int
    largest_entity: int
    true_pairs: int
    predicted_pairs: int
    correct_pairs: int
    pairwise_precision: float
    pairwise_recall: float
    pairwise_f1: float
    bcubed_precision: float
    bcubed_recall: float
    bcubed_f1: float

    def as_dict(self) -> dict[str, int | float]:
        """The scores as a flat mapping, for reports."""
        return asdict(self)


def evaluate(
    con: duckdb.DuckDBPyConnection,
    memberships: str,
    truth: str,
    record_col: str = "record_id",
    cluster_col: str = "customer_id",
    truth_col: str = "person_id",
) -> ClusterScores:
    """Compare a partition with the truth.

    `memberships` has one row per record (`record_col`, `cluster_col`), `truth` one row per
    record (`record_col`, `truth_col`). Records that only one side knows, and records whose
    truth is null, take no part. With no pair predicted, precision is 1; with no true pair,
    recall is 1.

    Raises LinkageError when a record appears twice on one side.
    """
    record, cluster, person = quoted(record_col), quoted(cluster_col), quoted(truth_col)
    for table in (memberships, truth):
        twice = con.execute(
            f"select {record} from {table} group by 1 having count(*) > 1 order by 1 limit 1"
        ).fetchall()
        if twice:
            raise LinkageError(
                f"{table}: {record_col} {twice[0][0]!r} appears more than once; "
                "an evaluation needs one row per record on both sides"
            )
    row = con.execute(
        f"""
        with both_sides as (
            select
                members.{record} as record_id,
                members.{cluster} as cluster_id,
                truths.{person} as person_id
            from {memberships} as members
            inner join {truth} as truths on members.{record} = truths.{record}
            where members.{cluster} is not null and truths.{person} is not null
        ),
        intersections as (
            select cluster_id, person_id, count(*)::double as records
            from both_sides group by all
        ),
        clusters as (
            select cluster_id, sum(records) as records from intersections group by all
        ),
        people as (
            select person_id, sum(records) as records from intersections group by all
        ),
        shared as (
            select
                coalesce(sum(intersections.records), 0) as records,
                coalesce(sum(intersections.records * (intersections.records - 1) / 2), 0) as correct_pairs,
                coalesce(sum(intersections.records * intersections.records / clusters.records), 0)
                    as precision_sum,
                coalesce(sum(intersections.records * intersections.records / people.records), 0)
                    as recall_sum
            from intersections
            inner join clusters on intersections.cluster_id = clusters.cluster_id
            inner join people on intersections.person_id = people.person_id
        ),
        predicted as (
            select
                count(*) as clusters,
                coalesce(max(records), 0) as largest,
                coalesce(sum(records * (records - 1) / 2), 0) as pairs
            from clusters
        ),
        actual as (
            select
                count(*) as entities,
                coalesce(max(records), 0) as largest,
                coalesce(sum(records * (records - 1) / 2), 0) as pairs
            from people
        )
        select
            shared.records, predicted.clusters, actual.entities, predicted.largest,
            actual.largest, actual.pairs, predicted.pairs, shared.correct_pairs,
            shared.precision_sum, shared.recall_sum
        from shared, predicted, actual
        """
    ).fetchall()[0]
    records, clusters, entities, largest, largest_entity, true, made, right, prec, rec = row
    precision = right / made if made else 1.0
    recall = right / true if true else 1.0
    b_precision = prec / records if records else 1.0
    b_recall = rec / records if records else 1.0
    return ClusterScores(
        records=int(records),
        clusters=int(clusters),
        entities=int(entities),
        largest_cluster=int(largest),
        largest_entity=int(largest_entity),
        true_pairs=int(true),
        predicted_pairs=int(made),
        correct_pairs=int(right),
        pairwise_precision=precision,
        pairwise_recall=recall,
        pairwise_f1=_harmonic_mean(precision, recall),
        bcubed_precision=b_precision,
        bcubed_recall=b_recall,
        bcubed_f1=_harmonic_mean(b_precision, b_recall),
    )


def _harmonic_mean(left: float, right: float) -> float:
    return 2 * left * right / (left + right) if left + right else 0.0


def evaluate_file(con: duckdb.DuckDBPyConnection, memberships: str, truth: Path) -> ClusterScores:
    """Compare memberships with a truth file: Parquet with `record_id` and `person_id`, one row per record.

    Raises LinkageError when the file is no such table, and as `evaluate` does.
    """
    read_truth(con, truth)
    return evaluate(con, memberships, "truth")


def read_truth(con: duckdb.DuckDBPyConnection, truth: Path) -> None:
    """The temporary table `truth` of a truth file. Raises LinkageError when the file is no such table."""
    import duckdb

    try:
        con.execute(
            "create or replace temp table truth as select record_id, person_id from read_parquet(?)", [str(truth)]
        )
    except duckdb.Error as error:
        raise LinkageError(
            f"{truth}: not a Parquet file with the columns record_id and person_id: {str(error).splitlines()[0]}"
        ) from error

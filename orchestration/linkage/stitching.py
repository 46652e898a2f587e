"""Measures how well anonymous browsing was given to customers, against a known truth.

Belongs here: precision and recall of stitched web events. Does not belong here: stitching (dbt's identity_stitches), or
the scores of resolution itself (see `evaluation`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.linkage.errors import LinkageError

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class StitchScores:
    """Anonymous web events of people who are customers, by one rule or all together."""

    rule: str
    """A value of stitch_rule, or `all`."""
    stitched: int
    correct: int
    """Stitched to the customer of the person who sat there."""
    anonymous: int
    """Anonymous events of people with a customer; the same in every row."""
    reachable: int
    """Of these, those in whose browser the same person was identified at some time; the same in every row."""

    @property
    def precision(self) -> float:
        """Share of the stitched events that are right; one when none was stitched."""
        return self.correct / self.stitched if self.stitched else 1.0

    @property
    def recall(self) -> float:
        """Share of the reachable events that were rightly stitched; one when there are none."""
        return self.correct / self.reachable if self.reachable else 1.0


def evaluate_stitching(con: duckdb.DuckDBPyConnection, records: Path, visits: Path) -> list[StitchScores]:
    """Compare the customers of anonymous web events with the people who sat there; the first entry is all rules together.

    Args:
        con: the warehouse, with `marts.fct_interactions` and `resolution.memberships`.
        records: Parquet with `record_id` and `person_id`.
        visits: Parquet with `message_id` and `person_id` of every web event.

    A customer stands for the person of most of its records. Raises LinkageError when a file is no such table.
    """
    import duckdb

    try:
        con.execute(
            "create or replace temp table truth_records as select record_id, person_id from read_parquet(?)",
            [str(records)],
        )
        con.execute(
            "create or replace temp table truth_visits as select message_id, person_id from read_parquet(?)",
            [str(visits)],
        )
    except duckdb.Error as error:
        raise LinkageError(
            f"{visits}: not a Parquet file with the columns message_id and person_id (beside {records} with record_id "
            f"and person_id): {str(error).splitlines()[0]}"
        ) from error
    rows = con.execute(
        """
        with customers as (
            select customer_id, arg_min(person_id, (-records, person_id)) as person_id
            from (
                select memberships.customer_id, truth_records.person_id, count(*) as records
                from resolution.memberships as memberships
                inner join truth_records on memberships.record_id = truth_records.record_id
                group by all
            )
            group by customer_id
        ),
        web_events as (
            select
                interactions.anonymous_id, interactions.record_id, interactions.stitch_rule, truth_visits.person_id,
                customers.person_id as stitched_to
            from marts.fct_interactions as interactions
            inner join truth_visits on interactions.interaction_id = 'web:' || truth_visits.message_id
            left join customers on interactions.customer_id = customers.customer_id
            where interactions.anonymous_id is not null
        ),
        identified as (
            select distinct anonymous_id, person_id from web_events where record_id is not null
        ),
        anonymous as (
            select web_events.*, identified.person_id is not null as reachable
            from web_events
            left join identified
                on web_events.anonymous_id = identified.anonymous_id and web_events.person_id = identified.person_id
            where web_events.record_id is null and web_events.person_id in (select person_id from customers)
        ),
        totals as (
            select count(*) as anonymous, count(*) filter (where reachable) as reachable from anonymous
        )
        select
            coalesce(stitch_rule, 'all') as rule,
            count(*) filter (where stitch_rule is not null) as stitched,
            count(*) filter (where stitched_to = person_id) as correct,
            any_value(totals.anonymous),
            any_value(totals.reachable)
        from anonymous cross join totals
        group by grouping sets ((), (stitch_rule))
        having grouping(stitch_rule) = 1 or stitch_rule is not null
        order by grouping(stitch_rule) desc, rule
        """
    ).fetchall()
    return [StitchScores(str(rule), *(int(number) for number in numbers)) for rule, *numbers in rows]

"""resolution.review_queue: pairs for a person, ranked without gaps, none of them judged already."""

from great_expectations.expectations.expectation import Expectation

from expectations import checks
from expectations.suites import SuiteInput
from orchestration.identity.review_queue import QUEUE_SIZE

# 2026-11: a queue is full in every company but the smallest, for pairs of hardly any consequence stand in it, too. It is
# worth a word when even the last that fits weighs as much as a toss-up about one record: then as weighty ones are left
# outside. Consequence: a warning, nothing is held back.
_FULL = QUEUE_SIZE - 1
_WEIGHTY = 1.0


def build(_: SuiteInput) -> list[Expectation]:
    """Expectations of resolution.review_queue."""
    return [
        checks.between("match_probability", 0, 1, "match_probability lies between 0 and 1"),
        checks.scalar(
            "ranks_with_gaps",
            f"select coalesce(max(rank), 0) - count(distinct rank) from {checks.BATCH}",
            "ranks that are missing or stand twice",
            low=0,
            high=0,
        ),
        checks.scalar(
            "judged_already",
            f"""
            select count(*) from {checks.BATCH} as queue
            inner join resolution.judgements as judgements using (record_id_l, record_id_r)
            """,
            "pairs that a person has decided already",
            high=0,
        ),
        checks.scalar(
            "full_queue",
            f"select count(*) from {checks.BATCH} where effect >= {_WEIGHTY}",
            "pairs to review of which each weighs as much as a toss-up about a record; the queue is full of them",
            high=_FULL,
            severity="warn",
        ),
    ]

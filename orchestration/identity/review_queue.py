"""Which pairs a person should decide, ordered by what the decision would change.

Belongs here: choosing, explaining and ranking pairs from edges and memberships. Does not belong here: showing them, or
keeping what was decided.

The expected effect of a decision is how open it is times how many records would move by it: the entropy in bits of the
probability that the pair is one person (1 for fifty-fifty, near 0 when it is clear) times the records of the smaller
side. Three kinds of pairs stand in the queue:

- between two customers: their strongest pair. Joining them would move the records of the smaller one. A pair that is
  likely one person, and yet was kept apart by a guard of clustering, is as open as the mean of both says.
- the weakest link that holds a customer together (the weakest edge of its maximum spanning tree): taking it away would
  move the smaller part.
- contrary evidence inside a customer: a pair that speaks against what its customer says. Its probability is the mean of
  what the pair says and what the links between the two say; a decision would cut the weakest of these links.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestration.identity.trees import Link, SpanningTree

if TYPE_CHECKING:
    import duckdb

# 2026-11: a pair takes a steward half a minute, so that this is half a working day's queue of one person; it is made
# anew at every run, and what stands behind it would change less than what stands in it.
QUEUE_SIZE = 500
# Customers whose pairs are looked at one by one for the second and third kind; more than fit into the queue, since a
# customer's own bound is coarse. Consequence: bounded time on a million records.
_CUSTOMERS_LOOKED_AT = 4 * QUEUE_SIZE
# Inside a customer, a link above the first is clear, and a pair below the second speaks against it. 1 in 100, which is
# also the floor of edges, has an entropy of 0.08 bits.
_CLEAR = 0.99
_CONTRARY = 0.05

QUEUE = "resolution.review_queue"


@dataclass(frozen=True)
class Candidate:
    """A pair to decide."""

    record_id_l: str
    record_id_r: str
    match_probability: float
    match_weight: float
    reason: str
    effect: float


def make_review_queue(
    con: "duckdb.DuckDBPyConnection", edges: str, memberships: str, judgements: str | None, *, size: int = QUEUE_SIZE
) -> int:
    """Write `resolution.review_queue` and return its length.

    Columns: record_id_l, record_id_r, match_probability, match_weight (both of the pair by the model), reason, effect
    (bits times records), rank (from 1). Pairs that anybody judged, unsure included, are left out, and so are customers
    between which a pair was judged different.

    Args:
        edges: table of record_id_l, record_id_r, match_weight, match_probability.
        memberships: table of record_id, customer_id, match_probability.
        judgements: table of record_id_l, record_id_r, verdict.
    """
    judged = (
        judgements or "(select null::varchar as record_id_l, null::varchar as record_id_r, null::varchar as verdict)"
    )
    _place_edges(con, edges, memberships, judged)
    inside = _inside_customers(con, memberships, judged)
    con.execute(
        "create or replace temp table kindred_inside (record_id_l varchar, record_id_r varchar, "
        "match_probability double, match_weight double, reason varchar, effect double)"
    )
    _insert(con, "kindred_inside", [tuple(candidate.__dict__.values()) for candidate in inside])
    con.execute(
        f"""
        create or replace table {QUEUE} as
        with sizes as (
            select customer_id, count(*) as records from {memberships} group by customer_id
        ),
        kept_apart as (
            select distinct least(l.customer_id, r.customer_id) as one, greatest(l.customer_id, r.customer_id) as other
            from {judged} as judged
            inner join {memberships} as l on judged.record_id_l = l.record_id
            inner join {memberships} as r on judged.record_id_r = r.record_id
            where judged.verdict = 'cannot_link'
        ),
        strongest as (
            select * from kindred_placed
            where customer_l <> customer_r and not judged
            qualify row_number() over (
                partition by least(customer_l, customer_r), greatest(customer_l, customer_r)
                order by match_weight desc, record_id_l, record_id_r
            ) = 1
        ),
        between_customers as (
            select
                strongest.record_id_l, strongest.record_id_r, strongest.match_probability, strongest.match_weight,
                'may be one person: the strongest pair between a customer of ' || l.records || ' and one of '
                    || r.records || ' record(s)' as reason,
                greatest(
                    {_entropy_sql("strongest.match_probability")},
                    case when strongest.match_probability > 0.5 then {_entropy_sql("strongest.match_probability / 2")} else 0 end
                ) * least(l.records, r.records) as effect
            from strongest
            inner join sizes as l on strongest.customer_l = l.customer_id
            inner join sizes as r on strongest.customer_r = r.customer_id
            anti join kept_apart
                on
                    least(strongest.customer_l, strongest.customer_r) = kept_apart.one
                    and greatest(strongest.customer_l, strongest.customer_r) = kept_apart.other
        ),
        open_pairs as (
            select * from between_customers union all select * from kindred_inside
        ),
        ranked as (
            select *, row_number() over (order by round(effect, 9) desc, record_id_l, record_id_r) as rank
            from open_pairs
        )
        select
            record_id_l, record_id_r, match_probability, match_weight, reason, round(effect, 6) as effect, rank
        from ranked where rank <= {int(size)} order by rank
        """
    )
    con.execute("drop table temp.kindred_placed; drop table temp.kindred_inside")
    return int(con.execute(f"select count(*) from {QUEUE}").fetchall()[0][0])


def _entropy_sql(probability: str) -> str:
    """SQL: the entropy of a yes or no with this probability, in bits; 0 at both ends."""
    bounded = f"least(greatest({probability}, 1e-12), 1 - 1e-12)"
    return f"(-{bounded} * log2({bounded}) - (1 - {bounded}) * log2(1 - {bounded}))"


def entropy(probability: float) -> float:
    """The entropy of a yes or no with this probability, in bits."""
    from math import log2

    bounded = min(max(probability, 1e-12), 1 - 1e-12)
    return -bounded * log2(bounded) - (1 - bounded) * log2(1 - bounded)


def _place_edges(con: "duckdb.DuckDBPyConnection", edges: str, memberships: str, judged: str) -> None:
    con.execute(
        f"""
        create or replace temp table kindred_placed as
        select
            edges.record_id_l, edges.record_id_r, edges.match_probability, edges.match_weight,
            l.customer_id as customer_l, r.customer_id as customer_r, judged.verdict is not null as judged
        from {edges} as edges
        inner join {memberships} as l on edges.record_id_l = l.record_id
        inner join {memberships} as r on edges.record_id_r = r.record_id
        left join {judged} as judged
            on edges.record_id_l = judged.record_id_l and edges.record_id_r = judged.record_id_r
        """
    )


def _inside_customers(con: "duckdb.DuckDBPyConnection", memberships: str, judged: str) -> list[Candidate]:
    """The weakest link and the contrary pair of the customers where these may matter most."""
    chosen = con.execute(
        f"""
        with held as (
            select customer_id, count(*) as records, min(match_probability) as weakest
            from {memberships} group by customer_id having count(*) > 1
        ),
        contrary as (
            select customer_l as customer_id, count(*) as pairs from kindred_placed
            where customer_l = customer_r and not judged and match_probability <= {_CONTRARY} group by customer_l
        )
        select held.customer_id
        from held left join contrary using (customer_id)
        where held.weakest < {_CLEAR} or contrary.pairs is not null
        order by
            greatest({_entropy_sql("held.weakest")}, case when contrary.pairs is not null then 1 else 0 end)
            * (held.records // 2) desc,
            held.customer_id
        limit {_CUSTOMERS_LOOKED_AT}
        """
    ).fetchall()
    if not chosen:
        return []
    con.execute(
        "create or replace temp table kindred_chosen as select unnest(?)::varchar as customer_id",
        [[customer for (customer,) in chosen]],
    )
    members: dict[str, list[str]] = {}
    for customer, record in con.execute(
        f"""
        select customer_id, record_id from {memberships}
        where customer_id in (select customer_id from kindred_chosen) order by record_id
        """
    ).fetchall():
        members.setdefault(customer, []).append(record)
    links: dict[str, list[Link]] = {}
    for customer, left, right, weight, probability, is_judged in con.execute(
        """
        select customer_l, record_id_l, record_id_r, match_weight, match_probability, judged from kindred_placed
        where customer_l = customer_r and customer_l in (select customer_id from kindred_chosen)
        order by record_id_l, record_id_r
        """
    ).fetchall():
        links.setdefault(customer, []).append(Link(left, right, weight, probability, bool(is_judged)))
    for customer, left, right in con.execute(
        f"""
        select l.customer_id, judged.record_id_l, judged.record_id_r
        from {judged} as judged
        inner join {memberships} as l on judged.record_id_l = l.record_id
        inner join {memberships} as r on judged.record_id_r = r.record_id and l.customer_id = r.customer_id
        where judged.verdict = 'must_link' and l.customer_id in (select customer_id from kindred_chosen)
        """
    ).fetchall():
        links.setdefault(customer, []).append(Link(left, right, 1e3, 1.0, judged=True))
    con.execute("drop table temp.kindred_chosen")
    found: list[Candidate] = []
    for customer in sorted(members):
        found += _inside(members[customer], links.get(customer, []))
    return found


def _inside(members: Sequence[str], links: Sequence[Link]) -> list[Candidate]:
    """At most two pairs of one customer: its weakest link, and the pair that speaks most against it."""
    tree = SpanningTree(members, links)
    found: dict[tuple[str, str], Candidate] = {}
    weakest = [link for link in tree.links if not link.judged and link.probability < _CLEAR]
    if weakest:
        candidates = [
            _candidate(link, entropy(link.probability), tree.smaller_side(link), "holds the customer together: ")
            for link in weakest
        ]
        best = min(candidates, key=_order)
        found[best.record_id_l, best.record_id_r] = best
    contrary = []
    for link in links:
        if link.judged or link.probability > _CONTRARY:
            continue
        weak = tree.weakest_between(link.left, link.right)
        if weak is None:
            continue
        open_ = entropy((link.probability + weak.probability) / 2)
        contrary.append(_candidate(link, open_, tree.smaller_side(weak), "contrary evidence inside a customer: "))
    if contrary:
        best = min(contrary, key=_order)
        found.setdefault((best.record_id_l, best.record_id_r), best)
    return list(found.values())


def _candidate(link: Link, open_bits: float, records: int, words: str) -> Candidate:
    reason = f"{words}a decision may part {records} record(s) from the rest"
    return Candidate(link.left, link.right, link.probability, link.weight, reason, open_bits * records)


def _order(candidate: Candidate) -> tuple[float, str, str]:
    return (-round(candidate.effect, 9), candidate.record_id_l, candidate.record_id_r)


def _insert(con: "duckdb.DuckDBPyConnection", table: str, rows: Sequence[tuple]) -> None:
    if rows:
        one = f"({', '.join('?' * len(rows[0]))})"
        con.execute(f"insert into {table} values {', '.join([one] * len(rows))}", [v for row in rows for v in row])

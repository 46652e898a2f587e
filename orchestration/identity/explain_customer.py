"""Why the records of a customer belong together, where the customer is weakest, and what would split it.

Belongs here: reading one customer's links from edges and judgements. Does not belong here: single pairs (see
`explain`), showing.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestration.identity.explain import EDGES, RECORDS, living_customer
from orchestration.identity.state import ID_EVENTS, JUDGEMENTS, MEMBERSHIPS
from orchestration.identity.trees import Link, SpanningTree

if TYPE_CHECKING:
    import duckdb

_JUDGED_WEIGHT = 1e3


@dataclass(frozen=True)
class Member:
    """A record of the customer, with what people know it by, and its best link to another one."""

    record_id: str
    name: str
    birth_date: str | None
    email: str | None
    best: Link | None
    """None for a record that is alone."""


@dataclass(frozen=True)
class CustomerExplanation:
    """Everything that holds a customer together or speaks against it."""

    customer_id: str
    members: tuple[Member, ...]
    weakest: Link | None
    """The weakest link of the strongest ones that hold all records together; None for a record that is alone."""
    parts: tuple[tuple[str, ...], tuple[str, ...]]
    """The records on either side of the weakest link."""
    contrary: tuple[Link, ...]
    """Pairs inside the customer that are likelier two people than one, the most contrary first."""
    events: tuple[tuple[str, str, str | None, str], ...]
    """What happened to the id: day, kind, other customer, cause."""

    @property
    def conclusion(self) -> list[str]:
        """What would split it, in sentences."""
        if self.weakest is None:
            return ["The customer is one record: nothing can split it."]
        small, large = sorted(self.parts, key=len)
        told = [
            f"Without the link between {self.weakest.left} and {self.weakest.right}, {len(small)} record(s) "
            f"({', '.join(small[:5])}{', ...' if len(small) > 5 else ''}) would part from the other {len(large)}."
        ]
        if self.weakest.judged:
            told.append("It was judged by a person: only taking that back would split it.")
        else:
            told.append(
                "Judging these two different would split it there at the next run, unless other links hold both parts "
                f"together: kindred review --decide {self.weakest.left} {self.weakest.right} different --reason WHY"
            )
        return told


def explain_customer(con: "duckdb.DuckDBPyConnection", customer_id: str) -> CustomerExplanation:
    """Explain a living customer, by its id or one of its records. Raises UnknownIdError for an id that is retired or was never given."""
    customer_id = living_customer(con, customer_id)
    rows = con.execute(
        f"""
        select
            memberships.record_id, concat_ws(' ', records.given_name, records.family_name),
            records.birth_date::varchar, records.email
        from {MEMBERSHIPS} as memberships
        left join {RECORDS} as records using (record_id)
        where memberships.customer_id = ?
        order by memberships.record_id
        """,
        [customer_id],
    ).fetchall()
    links = _links(con, customer_id)
    tree = SpanningTree([row[0] for row in rows], links)
    best: dict[str, Link] = {}
    for link in sorted(links, key=lambda each: (-each.weight, each.left, each.right)):
        for record in (link.left, link.right):
            best.setdefault(record, link)
    weakest = tree.links[-1] if tree.links else None
    contrary = sorted(
        (link for link in links if link.probability < 0.5), key=lambda each: (each.weight, each.left, each.right)
    )
    events = con.execute(
        f"""
        select run_date::varchar, kind, case when customer_id = $1 then other_customer_id else customer_id end, cause
        from {ID_EVENTS} where customer_id = $1 or other_customer_id = $1 order by position
        """,
        [customer_id],
    ).fetchall()
    return CustomerExplanation(
        customer_id=customer_id,
        members=tuple(Member(row[0], row[1] or "", row[2], row[3], best.get(row[0])) for row in rows),
        weakest=weakest,
        parts=tree.parts_without(weakest) if weakest else ((), ()),
        contrary=tuple(contrary),
        events=tuple(events),
    )


def _links(con: "duckdb.DuckDBPyConnection", customer_id: str) -> list[Link]:
    """The scored pairs of the customer's records; a judgement stands in place of its pair's score."""
    rows = con.execute(
        f"""
        with members as (
            select record_id from {MEMBERSHIPS} where customer_id = $1
        ),
        judged as (
            select record_id_l, record_id_r, verdict from {JUDGEMENTS}
            where verdict in ('must_link', 'cannot_link')
        ),
        said as (
            select
                record_id_l, record_id_r, case verdict when 'must_link' then {_JUDGED_WEIGHT} else {-_JUDGED_WEIGHT} end as weight,
                case verdict when 'must_link' then 1.0 else 0.0 end as probability, true as judged
            from judged
            union all
            select edges.record_id_l, edges.record_id_r, edges.match_weight, edges.match_probability, false
            from {EDGES} as edges
            anti join judged on edges.record_id_l = judged.record_id_l and edges.record_id_r = judged.record_id_r
        )
        select record_id_l, record_id_r, weight, probability, judged from said
        where record_id_l in (select record_id from members) and record_id_r in (select record_id from members)
        order by 1, 2
        """,
        [customer_id],
    ).fetchall()
    return [
        Link(left, right, float(weight), float(probability), bool(judged))
        for left, right, weight, probability, judged in rows
    ]

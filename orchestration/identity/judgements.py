"""What the judgements of people mean for a run: which apply, which contradict each other, which wait.

Belongs here: contradictions, and copying the living judgements into the warehouse. Does not belong here: keeping them
(see `orchestration.ledger.judgements`), clustering with them (see `orchestration.linkage.clustering`).

Two records are one person when a path of `must_link` judgements joins them. A `cannot_link` between two records of one
path contradicts it. Nobody guesses which is wrong: judgements are taken in the order in which they were made, and the
one that closes the contradiction is not applied but listed, until a person undoes one of them.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestration.identity.errors import ContradictionError
from orchestration.identity.state import JUDGEMENTS, MEMBERSHIPS, ensure_tables
from orchestration.ledger.judgements import Judgement, living

if TYPE_CHECKING:
    import duckdb

CONFLICTS = "resolution.judgement_conflicts"
_WORDS = {"must_link": "the same person", "cannot_link": "different people", "unsure": "unsure"}


@dataclass(frozen=True)
class Conflict:
    """A judgement that is not applied, and the earlier ones that it contradicts."""

    judgement: Judgement
    against: tuple[Judgement, ...]
    """The path of `must_link` judgements and, for a `must_link`, the `cannot_link` that it would break."""

    def words(self) -> str:
        """The contradiction for people: record ids and numbers of judgements only."""
        steps = "; ".join(_words(entry) for entry in self.against)
        return f"{_words(self.judgement)} contradicts {steps}"


@dataclass(frozen=True)
class JudgementCounts:
    """What became of the living judgements at a run."""

    applied: int
    waiting: int
    """A record of theirs is not there (yet)."""
    conflicting: int


def settle(judgements: Iterable[Judgement]) -> tuple[tuple[Judgement, ...], tuple[Conflict, ...]]:
    """The living judgements that can all be applied, and those that contradict earlier ones, each in their order."""
    graph = _MustLinks()
    applied: list[Judgement] = []
    conflicts: list[Conflict] = []
    for judgement in sorted(judgements, key=lambda entry: entry.judgement_id):
        against = graph.contradicted_by(judgement)
        if against:
            conflicts.append(Conflict(judgement, against))
        else:
            graph.add(judgement)
            applied.append(judgement)
    return tuple(applied), tuple(conflicts)


def refuse_contradiction(entries: Sequence[Judgement], verdict: str, record_a: str, record_b: str) -> None:
    """Raise when a verdict about a pair would contradict the living judgements of other pairs.

    Raises ContradictionError: with the judgements that stand against it, and the way out.
    """
    left, right = sorted((record_a, record_b))
    others = [entry for entry in living(entries) if entry.pair != (left, right)]
    last = max((entry.judgement_id for entry in entries), default=0)
    moment = entries[-1].decided_at if entries else None
    candidate = Judgement(last + 1, left, right, verdict, None, "", moment, None)  # type: ignore[arg-type]
    graph = _MustLinks()
    for judgement in settle(others)[0]:
        graph.add(judgement)
    against = graph.contradicted_by(candidate)
    if against:
        undo = " or ".join(f"kindred review --undo {entry.judgement_id}" for entry in against)
        raise ContradictionError(
            f"{left} and {right} cannot be judged {_WORDS[verdict]}: "
            f"{'; '.join(_words(entry) for entry in against)}. Nothing was written. If one of these is wrong, take it "
            f"back first ({undo}) and decide again."
        )


def write_judgements(con: "duckdb.DuckDBPyConnection", entries: Sequence[Judgement], records: str) -> JudgementCounts:
    """Write `resolution.judgements` (the living ones without contradictions) and `resolution.judgement_conflicts`.

    Args:
        entries: the ledger's.
        records: table with record_id, for counting the judgements that wait.
    """
    ensure_tables(con)
    applied, conflicts = settle(living(entries))
    con.execute(f"delete from {JUDGEMENTS}")
    con.execute(
        f"""
        create or replace table {CONFLICTS} (
            judgement_id bigint, record_id_l varchar, record_id_r varchar, verdict varchar, contradicts bigint[]
        )
        """
    )
    _insert(con, JUDGEMENTS, [(e.judgement_id, *e.pair, e.verdict, e.decided_at) for e in applied])
    _insert(
        con,
        CONFLICTS,
        [
            (c.judgement.judgement_id, *c.judgement.pair, c.judgement.verdict, [e.judgement_id for e in c.against])
            for c in conflicts
        ],
    )
    waiting = con.execute(
        f"""
        select count(*) from {JUDGEMENTS}
        where record_id_l not in (select record_id from {records}) or record_id_r not in (select record_id from {records})
        """
    ).fetchall()[0][0]
    return JudgementCounts(len(applied) - int(waiting), int(waiting), len(conflicts))


def conflicts_in_words(con: "duckdb.DuckDBPyConnection") -> list[str]:
    """The judgements that the last run did not apply, for people."""
    rows = con.execute(
        f"select judgement_id, record_id_l, record_id_r, verdict, contradicts from {CONFLICTS} order by judgement_id"
    ).fetchall()
    return [
        f"judgement {number}: {left} and {right} are {_WORDS[verdict]}, against judgement(s) "
        f"{', '.join(str(other) for other in against)}. It is not applied; undo one of them (`kindred review --undo ID`)."
        for number, left, right, verdict, against in rows
    ]


def unheeded(con: "duckdb.DuckDBPyConnection") -> list[str]:
    """The applied judgements that the memberships do not follow, for people."""
    rows = con.execute(
        f"""
        select judgements.judgement_id, judgements.record_id_l, judgements.record_id_r, judgements.verdict
        from {JUDGEMENTS} as judgements
        inner join {MEMBERSHIPS} as l on judgements.record_id_l = l.record_id
        inner join {MEMBERSHIPS} as r on judgements.record_id_r = r.record_id
        where
            judgements.verdict = 'must_link' and l.customer_id <> r.customer_id
            or judgements.verdict = 'cannot_link' and l.customer_id = r.customer_id
        order by 1
        """
    ).fetchall()
    return [
        f"judgement {number}: {left} and {right} are {_WORDS[verdict]}, but other evidence outweighed it"
        for number, left, right, verdict in rows
    ]


def _insert(con: "duckdb.DuckDBPyConnection", table: str, rows: Sequence[tuple]) -> None:
    if rows:
        one = f"({', '.join('?' * len(rows[0]))})"
        con.execute(f"insert into {table} values {', '.join([one] * len(rows))}", [v for row in rows for v in row])


def _words(entry: Judgement) -> str:
    number = f"judgement {entry.judgement_id}"
    return f"{entry.record_id_l} and {entry.record_id_r} are {_WORDS[entry.verdict]} ({number})"


class _MustLinks:
    """The must-link judgements taken so far as union-find over records, with the cannot-links between its sets."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}
        self._edges: dict[str, dict[str, Judgement]] = {}
        self._cannot: list[Judgement] = []

    def add(self, judgement: Judgement) -> None:
        """Take a judgement that contradicts none."""
        if judgement.verdict == "must_link":
            left, right = judgement.pair
            self._edges.setdefault(left, {})[right] = judgement
            self._edges.setdefault(right, {})[left] = judgement
            self._parent[self._root(left)] = self._root(right)
        elif judgement.verdict == "cannot_link":
            self._cannot.append(judgement)

    def contradicted_by(self, judgement: Judgement) -> tuple[Judgement, ...]:
        """The judgements that stand against one, in the order of their path; none when it fits."""
        left, right = judgement.pair
        if judgement.verdict == "cannot_link":
            return self._path(left, right) if self._root(left) == self._root(right) else ()
        if judgement.verdict != "must_link":
            return ()
        ends = {self._root(left), self._root(right)}
        if len(ends) == 1:
            return ()
        for cannot in self._cannot:
            one, other = cannot.pair
            if {self._root(one), self._root(other)} == ends:
                if self._root(one) != self._root(left):
                    one, other = other, one
                return (*self._path(one, left), *self._path(right, other), cannot)
        return ()

    def _root(self, record: str) -> str:
        self._parent.setdefault(record, record)
        while self._parent[record] != record:
            self._parent[record] = self._parent[self._parent[record]]
            record = self._parent[record]
        return record

    def _path(self, start: str, end: str) -> tuple[Judgement, ...]:
        """The shortest path of must-links; of equal ones that through the smaller record ids."""
        came: dict[str, tuple[str, Judgement] | None] = {start: None}
        waiting = deque([start])
        while waiting and end not in came:
            here = waiting.popleft()
            neighbours: Mapping[str, Judgement] = self._edges.get(here, {})
            for other in sorted(neighbours):
                if other not in came:
                    came[other] = (here, neighbours[other])
                    waiting.append(other)
        path: list[Judgement] = []
        step = came.get(end)
        while step is not None:
            path.append(step[1])
            step = came[step[0]]
        return tuple(reversed(path))

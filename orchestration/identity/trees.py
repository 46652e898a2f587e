"""The links that hold one customer together: its maximum spanning tree, and what falls apart without a link.

Belongs here: graph questions about the records of one customer, of which there are a handful. Does not belong here:
graphs of all records (see `orchestration.linkage.components`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Link:
    """A scored or judged pair of one customer's records."""

    left: str
    right: str
    weight: float
    """log2 of the odds that both are one person."""
    probability: float
    judged: bool = False


class SpanningTree:
    """The strongest links that connect the records (Kruskal); ties go to smaller record ids.

    Records that no link reaches stand alone. The weakest link on the tree's path between two records is the weakest on
    the best path between them.
    """

    def __init__(self, members: Sequence[str], links: Iterable[Link]) -> None:
        parent = {member: member for member in members}

        def root(record: str) -> str:
            while parent[record] != record:
                parent[record] = parent[parent[record]]
                record = parent[record]
            return record

        self._members = tuple(members)
        self._beside: dict[str, list[tuple[str, Link]]] = {member: [] for member in members}
        taken: list[Link] = []
        for link in sorted(links, key=lambda each: (-each.weight, each.left, each.right)):
            left, right = root(link.left), root(link.right)
            if left != right:
                parent[left] = right
                taken.append(link)
                self._beside[link.left].append((link.right, link))
                self._beside[link.right].append((link.left, link))
        self.links = tuple(taken)
        """From the strongest to the weakest."""

    def parts_without(self, link: Link) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The records on either side of a link of the tree, its left side first, each in their order."""
        reached = set(self._walk(link.left, link))
        return (
            tuple(member for member in self._members if member in reached),
            tuple(member for member in self._members if member not in reached),
        )

    def smaller_side(self, link: Link) -> int:
        """How many records would part from the rest without a link of the tree."""
        return min(len(part) for part in self.parts_without(link))

    def path(self, start: str, end: str) -> tuple[Link, ...]:
        """The links between two records, in order; none when nothing connects them."""
        came = self._walk(start)
        path: list[Link] = []
        here = end
        while here in came and here != start:
            step = came[here]
            if step is None:
                break
            here, link = step
            path.append(link)
        return tuple(reversed(path))

    def weakest_between(self, start: str, end: str) -> Link | None:
        """The weakest link of the path between two records; None when nothing connects them."""
        return min(self.path(start, end), key=lambda each: (each.weight, each.left, each.right), default=None)

    def _walk(self, start: str, without: Link | None = None) -> dict[str, tuple[str, Link] | None]:
        """From where, and by which link, each record is reached."""
        came: dict[str, tuple[str, Link] | None] = {start: None}
        waiting = [start]
        while waiting:
            here = waiting.pop()
            for other, link in self._beside[here]:
                if other not in came and link is not without:
                    came[other] = (here, link)
                    waiting.append(other)
        return came

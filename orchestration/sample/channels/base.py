"""What the sources share: the context of a run, and the growth of a book of records from day to day.

Belongs here: joining, touching and learning, which are the same for all sources that keep records of people. Does not
belong here: anything about one source.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb
import numpy as np

from orchestration.sample.book import Book
from orchestration.sample.delivery import Delivery, Log
from orchestration.sample.rates import JOIN, LEARN, SECOND_RECORD, SOURCES, TEST_RECORD, TOUCH
from orchestration.sample.state import DAY, Bools, LifeEvents, generator, stochastic_round
from orchestration.sample.words import Ints
from orchestration.sample.world import World


@dataclass
class Context:
    """One run of the generator."""

    world: World
    con: duckdb.DuckDBPyConnection
    landing: Path
    start: date
    seed: int
    identity: dict[str, object]
    log: Log

    def delivery(self, source: str, day: int) -> Delivery:
        """The folder of a source's day, to be filled."""
        return Delivery(self.landing, source, self.start + timedelta(days=day), self.identity, self.log)


@dataclass(frozen=True)
class Today:
    """A day as the sources see it: day 0 is the initial load, with all history."""

    number: int
    start: int
    end: int
    newcomers: Ints
    events: LifeEvents


def is_covered(world: World, source: str) -> Bools:
    """Who is known to a source."""
    return (world.people.covered >> SOURCES.index(source)) & 1 == 1


def joiners(ctx: Context, source: str, today: Today, rng: np.random.Generator) -> Ints:
    """People who enter the source today: newcomers it covers, and (after day 0) known people who come to it."""
    covered = is_covered(ctx.world, source)
    fresh = today.newcomers[covered[today.newcomers]]
    if today.number == 0:
        return fresh
    hit = rng.random(len(covered)) < JOIN
    hit[today.newcomers] = False
    late = np.flatnonzero(hit & ~covered)
    ctx.world.people.covered[late] |= 1 << SOURCES.index(source)
    return np.concatenate([late, fresh])


def grow(ctx: Context, book: Book, today: Today, years: float = 4.0) -> tuple[Ints, Ints]:
    """Let a day pass for a book.

    Returns the records made today (all on day 0) and the older ones that were saved again.
    """
    rng = generator(ctx.seed, book.source, "book", today.number)
    older = np.arange(len(book))
    people = joiners(ctx, book.source, today, rng)
    second = people[rng.random(len(people)) < SECOND_RECORD.get(book.source, 0.0)]
    tests = stochastic_round(rng, len(people) * TEST_RECORD.get(book.source, 0.0))
    person = np.concatenate([people, second, rng.integers(0, len(ctx.world.people), tests)])
    test = np.arange(len(person)) >= len(person) - tests
    n = len(person)
    if today.number == 0:
        created = today.end - 1 - (rng.random(n) ** 1.2 * years * 365 * DAY).astype(np.int64)
        # Half of the records were saved again later: they hold what was true then.
        saved = created + (np.sqrt(rng.random(n)) * (today.end - 1 - created)).astype(np.int64)
        synced = np.where(rng.random(n) < 0.5, saved, created)
    else:
        created = synced = today.start + rng.integers(6 * 3600, 22 * 3600, n)
    # Keys follow the order in which records were made, as in a real system.
    order = np.lexsort((np.arange(n), created))
    new = book.add(rng, person[order], created[order], synced[order], test[order])
    return new, resync(book, older, today, rng)


def resync(book: Book, older: Ints, today: Today, rng: np.random.Generator) -> Ints:
    """Older records that are saved today: some by chance, more after a life event."""
    if not len(older):
        return older
    touched = rng.random(len(older)) < TOUCH
    at = today.start + rng.integers(6 * 3600, 22 * 3600, len(older))
    place = np.searchsorted(today.events.person, book.person[older])
    place = np.minimum(place, max(0, len(today.events.person) - 1))
    learns = rng.random(len(older)) < LEARN.get(book.source, 0.0)
    if len(today.events.person):
        hit = (today.events.person[place] == book.person[older]) & learns
        at = np.where(hit, today.events.at[place] + 600, at)
        touched |= hit
    saved = older[touched & ~book.test[older]]
    book.synced[saved] = at[saved]
    return saved

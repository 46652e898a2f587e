"""The columns that hold the sample's households and people, and the random streams that fill them.

Belongs here: plain state, one array per attribute. Does not belong here: how it comes about (see `world`).
"""

import zlib
from dataclasses import dataclass, field, fields

import numpy as np

from orchestration.sample.words import Ints

DAY = 86_400
NEVER = np.iinfo(np.int64).max
HISTORY = 900 * DAY

Bools = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


def generator(seed: int, *scope: str | int) -> np.random.Generator:
    """An own stream for each purpose and day, so that one part's draws never shift another's."""
    words = [zlib.crc32(str(part).encode()) for part in scope]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *words])))


def stochastic_round(rng: np.random.Generator, expected: float) -> int:
    """The expected number as a whole one, right on average even for small files."""
    return int(np.floor(expected + rng.random()))


def _empty() -> Ints:
    return np.zeros(0, np.int64)


@dataclass
class Households:
    """One row per household; `_2` is the state after the move."""

    country: Ints = field(default_factory=_empty)
    city: Ints = field(default_factory=_empty)
    street: Ints = field(default_factory=_empty)
    street_type: Ints = field(default_factory=_empty)
    number: Ints = field(default_factory=_empty)
    unit: Ints = field(default_factory=_empty)  # 0: none
    landline: Ints = field(default_factory=_empty)  # digits behind a leading 1; 0: none
    city_2: Ints = field(default_factory=_empty)
    street_2: Ints = field(default_factory=_empty)
    street_type_2: Ints = field(default_factory=_empty)
    number_2: Ints = field(default_factory=_empty)
    unit_2: Ints = field(default_factory=_empty)
    landline_2: Ints = field(default_factory=_empty)
    moved_at: Ints = field(default_factory=_empty)

    def __len__(self) -> int:
        return len(self.country)


@dataclass
class People:
    """One row per person; `_2` is the state after the change."""

    household: Ints = field(default_factory=_empty)
    culture: Ints = field(default_factory=_empty)
    female: Ints = field(default_factory=_empty)
    given: Ints = field(default_factory=_empty)
    middle: Ints = field(default_factory=_empty)  # -1: none
    family: Ints = field(default_factory=_empty)  # -1: mononym
    family_b: Ints = field(default_factory=_empty)  # second part; -1: none
    hyphen: Ints = field(default_factory=_empty)
    family_2: Ints = field(default_factory=_empty)
    family_b_2: Ints = field(default_factory=_empty)
    hyphen_2: Ints = field(default_factory=_empty)
    married_at: Ints = field(default_factory=_empty)
    engaged: Ints = field(default_factory=_empty)
    birth: Ints = field(default_factory=_empty)  # days since 1970
    mobile: Ints = field(default_factory=_empty)
    mobile_2: Ints = field(default_factory=_empty)
    mobile_at: Ints = field(default_factory=_empty)
    has_email: Ints = field(default_factory=_empty)
    email_at: Ints = field(default_factory=_empty)
    second_email: Ints = field(default_factory=_empty)  # 0 none, 1 own, 2 the household's
    national_id: Ints = field(default_factory=_empty)
    covered: Ints = field(default_factory=_empty)  # bit per source of SOURCES

    def __len__(self) -> int:
        return len(self.household)


def extend(table: Households | People, rows: dict[str, Ints]) -> None:
    """Append rows to every column."""
    for item in fields(table):
        setattr(table, item.name, np.concatenate([getattr(table, item.name), rows[item.name].astype(np.int64)]))


@dataclass(frozen=True)
class LifeEvents:
    """Who changed on a day: people, and when."""

    person: Ints
    at: Ints

    @classmethod
    def none(cls) -> "LifeEvents":
        """A day on which nobody's life changed."""
        return cls(_empty(), _empty())

"""Which of many values stand in some bytes, quickly.

Belongs here: the search for all values at once, and what a word is. Does not belong here: which values, and what is made of
a finding (see `traces`).
"""

from collections.abc import Collection

import ahocorasick_rs

_LONG = 11
# With more values a table of all transitions, the quickest way, would take hundreds of megabytes.
_MOST_IN_TABLE = 2_000


def is_long(value: bytes) -> bool:
    """Whether a value may be looked for inside of anything: eleven bytes are not met by chance."""
    return len(value) >= _LONG


def is_inside(byte: int) -> bool:
    """Whether a byte belongs to a word: a letter or digit of ASCII, or any byte beyond it."""
    return byte >= 0x80 or chr(byte).isalnum()


class ByteSearch:
    """A set of values to look for anywhere in bytes, whatever stands around them (A. Aho, M. Corasick 1975)."""

    def __init__(self, values: Collection[bytes]) -> None:
        self.values = sorted(set(values))
        implementation = ahocorasick_rs.Implementation
        self._automaton = ahocorasick_rs.BytesAhoCorasick(
            self.values,
            implementation=implementation.DFA if len(self.values) <= _MOST_IN_TABLE else implementation.ContiguousNFA,
        )

    def found_in(self, content: bytes) -> set[bytes]:
        """The values that stand in the bytes."""
        matches = self._automaton.find_matches_as_indexes(content, overlapping=True)
        return {self.values[number] for number in {match[0] for match in matches}}

"""Which of many words stand in a large text, quickly.

Belongs here: the search by arithmetic over whole blocks of bytes. Does not belong here: which words, and what is made of a
finding (see `traces`).

A word is a run of at least three letters, digits or bytes beyond ASCII. Taking every word of a landed file out as a Python
object, to look it up in a set, was most of the time of a search; here only the beginnings of words are compared, eight
bytes at once as one number, and only what agrees is looked at.
"""

import re
from collections.abc import Collection
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

WORD = re.compile(rb"[A-Za-z0-9\x80-\xff]{3,}")
_AT_ONCE = 8
_LARGE = 1 << 15


class WordSearch:
    """A set of words to look for in many texts."""

    def __init__(self, words: Collection[bytes]) -> None:
        self.words = frozenset(words)

    def found_in(self, content: bytes) -> set[bytes]:
        """The words that stand in the text, each from the beginning to the end of a run."""
        if len(content) < _LARGE:
            return set(self.words.intersection(WORD.findall(content)))
        found: set[bytes] = set()
        for start in self._candidates(content):
            match = WORD.match(content, int(start))
            if match is not None and match[0] in self.words:
                found.add(match[0])
        return found

    def _candidates(self, content: bytes) -> "np.ndarray":
        """Places where a word begins as one of the words does."""
        import numpy as np

        padded = content + bytes(_AT_ONCE)
        inside = self._is_inside[np.frombuffer(padded, np.uint8)[: len(content)]]
        begins = inside.copy()
        begins[1:] &= ~inside[:-1]
        starts = np.flatnonzero(begins)
        numbers = np.ndarray((len(content),), dtype="<u8", buffer=padded, strides=(1,))[starts]
        # Two bytes decide most cases by a look into a small table.
        likely = self._first_two[numbers & np.uint64(0xFFFF)]
        starts, numbers = starts[likely], numbers[likely]
        hits = np.zeros(len(starts), dtype=bool)
        for length, wanted in self._by_length.items():
            beginning = numbers & np.uint64((1 << (8 * length)) - 1)
            at = np.minimum(wanted.searchsorted(beginning), len(wanted) - 1)
            hits |= wanted[at] == beginning
        return starts[hits]

    @cached_property
    def _is_inside(self) -> "np.ndarray":
        import numpy as np

        return np.array([WORD.fullmatch(bytes([byte]) * 3) is not None for byte in range(256)])

    @cached_property
    def _by_length(self) -> "dict[int, np.ndarray]":
        """The first bytes of the words as sorted numbers, by how many bytes."""
        import numpy as np

        found: dict[int, set[int]] = {}
        for word in self.words:
            length = min(len(word), _AT_ONCE)
            found.setdefault(length, set()).add(int.from_bytes(word[:length], "little"))
        return {length: np.array(sorted(numbers), dtype=np.uint64) for length, numbers in sorted(found.items())}

    @cached_property
    def _first_two(self) -> "np.ndarray":
        import numpy as np

        table = np.zeros(1 << 16, dtype=bool)
        for word in self.words:
            table[int.from_bytes(word[:2], "little")] = True
        return table

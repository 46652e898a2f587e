"""Which of many values stand in a large text or in any bytes, quickly.

Belongs here: the search by arithmetic over whole blocks of bytes, and what a word is. Does not belong here: which values,
and what is made of a finding (see `traces`).

Taking every word of a landed file out as a Python object, to look it up in a set, was most of the time of a search; here
numbers made of a few bytes are compared, and only what agrees is looked at.
"""

import itertools
import re
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

WORD = re.compile(rb"[A-Za-z0-9\x80-\xff]{3,}")
"""A run of at least three letters, digits or bytes beyond ASCII."""
_INSIDE = bytes(WORD.fullmatch(bytes([byte]) * 3) is not None for byte in range(256))
_LARGE = 1 << 15
_LOOKED_AT = 64
_BLOCK = 1 << 16
_SPREAD = 0x9E3779B97F4A7C15
_SAMPLE, _COMMON_BITS = 1 << 24, 20
_PATIENCE, _AT_ONCE = 1 << 20, 1 << 19
# How many bytes are compared as one number, at every how manyth place: a value of at least their sum less one has some that
# fall on such a place.
_LONG, _SHORT, _SHORTEST = (8, 4), (4, 4), (4, 2)


def is_long(value: bytes) -> bool:
    """Whether a value may be looked for inside of anything: eleven bytes are not met by chance."""
    return len(value) >= sum(_LONG) - 1


def is_inside(byte: int) -> bool:
    """Whether a byte belongs to a word."""
    return _INSIDE[byte] == 1


class ByteSearch:
    """A set of values of five bytes or more to look for anywhere in bytes, whatever stands around them.

    The bytes are read as numbers at every fourth (second) place. Wherever a value stands, some of its own bytes make up one
    of these numbers; of those that may, the one that is rarest in the bytes given so far decides. Which bytes were given is
    learnt from the first, and again from those in which many numbers agree though no value stands there: ids that are rare
    in a page are common in a database.
    """

    def __init__(self, values: Collection[bytes]) -> None:
        self.values = sorted(set(values))
        if self.values and min(map(len, self.values)) < sum(_SHORTEST) - 1:
            raise ValueError(f"a value has fewer than {sum(_SHORTEST) - 1} bytes")
        self._common: dict[int, np.ndarray] = {}
        self._patience = _PATIENCE

    def found_in(self, content: bytes) -> set[bytes]:
        """The values that stand in the bytes."""
        if len(content) < _LARGE:
            return {value for value in self.values if value in content}
        if self._windows is None:
            self._learn(content)
        found = self._met(content, self._patience)
        if found is None:
            # Where even what is rarest is common, to learn again and again would be all the time.
            self._patience *= 4
            self._learn(content)
            found = self._met(content, None)
        return found or set()

    def _met(self, content: bytes, patience: int | None) -> set[bytes] | None:
        """The values that stand in the bytes; None when more than so many places had to be looked at."""
        found: set[bytes] = set()
        looked = 0
        for windows in self._windows or ():
            for places, likely in windows.met(content):
                looked += places
                if patience is not None and looked > patience:
                    return None
                found |= {value for value, at in likely if value not in found and content.startswith(value, at)}
        return found

    def _learn(self, content: bytes) -> None:
        """Choose the numbers that decide, by how common they are in these bytes and in those that were learnt from."""
        self._windows = _all_windows(self.values, content[:_SAMPLE], self._common)

    _windows: "list[_Windows] | None" = None


class _Windows:
    """Some bytes of each value for each way in which it may stand to the places that are looked at.

    Args:
        values: n of them.
        offsets: of the chosen window in each value, shape (ways, n).
        windows: the number that stands there, shape (ways, n).
    """

    def __init__(
        self, width: int, stride: int, values: Sequence[bytes], offsets: "np.ndarray", windows: "np.ndarray"
    ) -> None:
        import numpy as np

        self.width, self.stride, self.values = width, stride, values
        order = np.argsort(windows, axis=None, kind="stable")
        kind = f"<u{width}"
        self._sorted, self._first, self._count = np.unique(
            windows.ravel()[order].astype(kind), return_index=True, return_counts=True
        )
        # Of each way of each value, those of one window one behind the other.
        self._owner, self._offset = order % len(values), offsets.ravel()[order]
        self._length = np.array([len(value) for value in values])
        self._head = np.array([int.from_bytes(value[:width], "little") for value in values], dtype=kind)
        self._tail = np.array([int.from_bytes(value[-width:], "little") for value in values], dtype=kind)
        bits = min(24, max(14, (16 * len(self._sorted)).bit_length()))
        self._bits = bits
        self._table = np.zeros(1 << bits, dtype=bool)
        self._table[_spread(self._sorted, bits)] = True

    def met(self, content: bytes) -> Iterator[tuple[int, list[tuple[bytes, int]]]]:
        """Block by block how many places were looked at, and the values of which the chosen, the first and the last bytes
        stand there, with where they would begin."""
        import numpy as np

        numbers, anywhere = _numbers(content, self.width, self.stride), _numbers(content, self.width, 1)
        for begin in range(0, len(numbers), _BLOCK):
            block = numbers[begin : begin + _BLOCK]
            likely = np.flatnonzero(self._table.take(_spread(block, self._bits), mode="clip"))
            if not len(likely):
                continue
            seen = block[likely]
            at = np.minimum(self._sorted.searchsorted(seen), len(self._sorted) - 1)
            sure = self._sorted[at] == seen
            places, at = (likely[sure] + begin) * self.stride, at[sure]
            for few in _slices(self._count[at]):
                yield self._that_fit(anywhere, places[few], at[few], len(content))

    def _that_fit(
        self, anywhere: "np.ndarray", places: "np.ndarray", at: "np.ndarray", size: int
    ) -> tuple[int, list[tuple[bytes, int]]]:
        import numpy as np

        counts = self._count[at]
        within = np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts, counts)
        way = np.repeat(self._first[at], counts) + within
        owner, start = self._owner[way], np.repeat(places, counts) - self._offset[way]
        for end in (False, True):
            fits = (start >= 0) & (start + self._length[owner] <= size)
            owner, start = owner[fits], start[fits]
            shift = self._length[owner] - self.width if end else 0
            fits = anywhere[start + shift] == (self._tail if end else self._head)[owner]
            owner, start = owner[fits], start[fits]
        return len(within), [
            (self.values[number], place) for number, place in zip(owner.tolist(), start.tolist(), strict=True)
        ]


def _slices(counts: "np.ndarray") -> "list[slice]":
    """The same in pieces of which each has no more than some hundred thousand, or one member."""
    import numpy as np

    if not len(counts):
        return []
    piece = np.cumsum(counts) // _AT_ONCE
    cuts = [0, *(np.flatnonzero(np.diff(piece)) + 1).tolist(), len(counts)]
    return [slice(begin, end) for begin, end in itertools.pairwise(cuts)]


def _numbers(content: bytes, width: int, stride: int) -> "np.ndarray":
    import numpy as np

    count = (len(content) - width) // stride + 1
    return np.ndarray((count,), dtype=f"<u{width}", buffer=content, strides=(stride,))


def _spread(numbers: "np.ndarray", bits: int) -> "np.ndarray":
    """Places in a table of so many bits, alike for alike numbers."""
    import numpy as np

    width = 8 * numbers.dtype.itemsize
    factor = numbers.dtype.type(_SPREAD >> (64 - width) | 1)
    return ((numbers * factor) >> numbers.dtype.type(width - bits)).astype(np.intp)


def _all_windows(values: Sequence[bytes], sample: bytes, common: "dict[int, np.ndarray]") -> list[_Windows]:
    """What is looked at for each value. How common numbers of a width are in the sample is added to `common`."""
    import numpy as np

    of_kind: dict[tuple[int, int], list[bytes]] = {}
    for value in values:
        kind = next(kind for kind in (_LONG, _SHORT, _SHORTEST) if len(value) >= sum(kind) - 1)
        of_kind.setdefault(kind, []).append(value)
    for width in {kind[0] for kind in of_kind}:
        counts = np.bincount(_spread(_numbers(sample, width, 1), _COMMON_BITS), minlength=1 << _COMMON_BITS)
        common[width] = counts + common.get(width, 0)
    return [_windows(found, common[kind[0]], *kind) for kind, found in of_kind.items()]


def _windows(values: Sequence[bytes], common: "np.ndarray", width: int, stride: int) -> _Windows:
    import numpy as np

    texts = b"".join(value[:_LOOKED_AT].ljust(_LOOKED_AT, b"\0") for value in values)
    matrix = np.frombuffer(texts, np.uint8).reshape(len(values), _LOOKED_AT)
    lengths = np.array([min(len(value), _LOOKED_AT) for value in values])
    best = np.full((stride, len(values)), np.iinfo(np.int64).max)
    chosen = np.zeros((stride, len(values)), dtype=np.int64)
    window = np.zeros((stride, len(values)), dtype=np.uint64)
    for offset in range(int(lengths.max()) - width + 1):
        numbers = np.ascontiguousarray(matrix[:, offset : offset + width]).view(f"<u{width}").ravel()
        way = offset % stride
        better = (lengths >= offset + width) & (common[_spread(numbers, _COMMON_BITS)] < best[way])
        best[way][better] = common[_spread(numbers, _COMMON_BITS)][better]
        chosen[way][better], window[way][better] = offset, numbers[better]
    return _Windows(width, stride, values, chosen, window)

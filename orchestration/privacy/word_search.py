"""Which of many values stand in a large text or in any bytes, quickly.

Belongs here: the search by arithmetic over whole blocks of bytes, and what a word is. Does not belong here: which values,
and what is made of a finding (see `traces`).

Taking every word of a landed file out as a Python object, to look it up in a set, was most of the time of a search; here
numbers made of a few bytes are compared, and only what agrees is looked at.
"""

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
_SAMPLE, _COMMON_BITS = 1 << 22, 20
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
    of these numbers; of those that may, the one that is rarest in the first bytes given decides.
    """

    def __init__(self, values: Collection[bytes]) -> None:
        self.values = sorted(set(values))
        if self.values and min(map(len, self.values)) < sum(_SHORTEST) - 1:
            raise ValueError(f"a value has fewer than {sum(_SHORTEST) - 1} bytes")

    def found_in(self, content: bytes) -> set[bytes]:
        """The values that stand in the bytes."""
        if len(content) < _LARGE:
            return {value for value in self.values if value in content}
        if self._windows is None:
            self._windows = _all_windows(self.values, content)
        found: set[bytes] = set()
        for windows in self._windows:
            for place, window in windows.met(content):
                for value, offset in windows.owners[window]:
                    if value not in found and place >= offset and content.startswith(value, place - offset):
                        found.add(value)
        return found

    _windows: "list[_Windows] | None" = None


class _Windows:
    """Some bytes of each value for each way in which it may stand to the places that are looked at."""

    def __init__(self, width: int, stride: int, owners: dict[int, list[tuple[bytes, int]]]) -> None:
        import numpy as np

        self.width, self.stride, self.owners = width, stride, owners
        self._sorted = np.array(sorted(owners), dtype=f"<u{width}")
        bits = min(24, max(14, (16 * len(owners)).bit_length()))
        self._bits = bits
        self._table = np.zeros(1 << bits, dtype=bool)
        self._table[_spread(self._sorted, bits)] = True

    def met(self, content: bytes) -> Iterator[tuple[int, int]]:
        """Places and the windows that stand there."""
        import numpy as np

        numbers = _numbers(content, self.width, self.stride)
        for begin in range(0, len(numbers), _BLOCK):
            block = numbers[begin : begin + _BLOCK]
            likely = np.flatnonzero(self._table.take(_spread(block, self._bits), mode="clip"))
            if not len(likely):
                continue
            seen = block[likely]
            at = np.minimum(self._sorted.searchsorted(seen), len(self._sorted) - 1)
            sure = self._sorted[at] == seen
            for place, window in zip(likely[sure].tolist(), seen[sure].tolist(), strict=True):
                yield (begin + place) * self.stride, window


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


def _all_windows(values: Sequence[bytes], sample: bytes) -> list[_Windows]:
    of_kind: dict[tuple[int, int], list[bytes]] = {}
    for value in values:
        kind = next(kind for kind in (_LONG, _SHORT, _SHORTEST) if len(value) >= sum(kind) - 1)
        of_kind.setdefault(kind, []).append(value)
    return [_windows(found, sample[:_SAMPLE], *kind) for kind, found in of_kind.items()]


def _windows(values: Sequence[bytes], sample: bytes, width: int, stride: int) -> _Windows:
    import numpy as np

    common = np.bincount(_spread(_numbers(sample, width, 1), _COMMON_BITS), minlength=1 << _COMMON_BITS)
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
    owners: dict[int, list[tuple[bytes, int]]] = {}
    for way in range(stride):
        for value, found, offset in zip(values, window[way].tolist(), chosen[way].tolist(), strict=True):
            owners.setdefault(found, []).append((value, offset))
    return _Windows(width, stride, owners)

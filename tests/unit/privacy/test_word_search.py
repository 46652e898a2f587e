"""The quick search finds what the plain one does."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.privacy.word_search import ByteSearch, is_long

STEADY = settings(max_examples=60, deadline=None, derandomize=True, database=None)
letters = st.sampled_from(list(b'abZ7, "-\n\0\xc3\xa9'))
texts = st.lists(letters, max_size=160).map(bytes)


@STEADY
@given(text=texts, extra=texts, size=st.integers(5, 40), times=st.integers(1, 4), turn=st.integers(0, 8))
def test_the_same_values_are_found_in_large_bytes(text: bytes, extra: bytes, size: int, times: int, turn: int) -> None:
    values = {bytes(part[at : at + size]) for part in (text, extra) for at in range(0, len(part) - size, 7)}
    values |= {text[-6:], text[:5], extra[-11:], b"never there"}
    values = {value for value in values if len(value) >= 5}
    content = b"x" * turn + text + b" lorem,ipsum" * 3000 + text * times
    assert len(content) > 1 << 15
    assert ByteSearch(values).found_in(content) == {value for value in values if value in content}


def test_what_is_common_in_the_first_bytes_decides_and_later_bytes_are_searched_alike() -> None:
    values = {b"common words rare7", b"lorem", b"ipsum7", b"at the very end", b"wherever"}
    search = ByteSearch(values)
    assert search.found_in(b"common words " * 4000) == set()
    later = b"lorem" + b" filler" * 9000 + b"ipsum7common words rare7at the very end"
    assert search.found_in(later) == values - {b"wherever"}


def test_shorter_values_are_refused_and_none_is_none() -> None:
    with pytest.raises(ValueError, match="fewer than 5 bytes"):
        ByteSearch([b"abcd"])
    assert ByteSearch([]).found_in(b"x" * 100_000) == set()
    assert [is_long(b"x" * size) for size in (10, 11)] == [False, True]


def test_bytes_of_another_kind_are_searched_alike() -> None:
    values = {b"customer:%06d and more" % number for number in range(50)}
    search = ByteSearch(values)
    assert search.found_in(b"nothing of the kind " * 4000) == set()
    ids = b"".join(b"customer:%06d or less " % number for number in range(40)) * 200
    assert search.found_in(ids) == set()
    assert search.found_in(ids + b"customer:000007 and more" + ids) == {b"customer:000007 and more"}

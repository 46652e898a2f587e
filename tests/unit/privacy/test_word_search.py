"""The quick search finds what the plain one does."""

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
    values = {value for value in values if value}
    content = b"x" * turn + text + b" lorem,ipsum" * 3000 + text * times
    assert ByteSearch(values).found_in(content) == {value for value in values if value in content}


def test_more_values_than_the_table_of_transitions_takes_are_found_alike() -> None:
    values = {b"customer:%06d and more" % number for number in range(2_500)}
    search = ByteSearch(values)
    ids = b"".join(b"customer:%06d or less " % number for number in range(40)) * 200
    assert search.found_in(ids) == set()
    assert search.found_in(ids + b"customer:000007 and more" + ids) == {b"customer:000007 and more"}


def test_values_within_values_are_all_found_and_none_is_none() -> None:
    values = {b"Anna Berg", b"Berg-Schmidt", b"Anna Berg-Schmidt", b"an", b"na"}
    assert ByteSearch(values).found_in(b"..Anna Berg-Schmidt..") == values - {b"an"}
    assert ByteSearch([]).found_in(b"x" * 100_000) == set()


def test_eleven_bytes_are_long() -> None:
    assert [is_long(b"x" * size) for size in (10, 11)] == [False, True]

"""The quick search finds what the plain one does."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.privacy.word_search import WORD, WordSearch

STEADY = settings(max_examples=60, deadline=None, derandomize=True, database=None)
letters = st.sampled_from(["a", "b", "Z", "7", "é", " ", ",", '"', "-", "\n", "\0"])
texts = st.text(letters, max_size=120).map(str.encode)


@STEADY
@given(text=texts, extra=texts, times=st.integers(1, 4))
def test_the_same_words_are_found_in_a_large_text(text: bytes, extra: bytes, times: int) -> None:
    words = set(WORD.findall(extra)[:6]) | set(WORD.findall(text)[:3])
    filler = b" lorem,ipsum" * 3000
    content = text + filler + b"," + text * times
    assert len(content) > 1 << 15
    assert WordSearch(words).found_in(content) == words & set(WORD.findall(content))


def test_a_word_at_either_end_is_found_and_a_part_of_one_is_not() -> None:
    search = WordSearch([b"first1", b"last", b"abc", b"longerthaneight"])
    filler = b" xabc abcx longerthaneights longerthaneigh" * 1000
    assert search.found_in(b"first1" + filler + b" last") == {b"first1", b"last"}
    assert search.found_in(filler + b" longerthaneight") == {b"longerthaneight"}
    assert search.found_in(filler) == set()
    assert WordSearch([]).found_in(filler) == set()


def test_words_are_runs_of_three() -> None:
    assert re.fullmatch(WORD, b"ab") is None and re.fullmatch(WORD, b"ab1") is not None

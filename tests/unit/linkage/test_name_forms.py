"""Matching forms of names: what counts as a word, and what a number in it means."""

import pytest

from orchestration.linkage.forms import family_forms, given_forms


def test_a_number_at_the_end_of_a_name_tells_it_from_others() -> None:
    one, other = given_forms("given17"), given_forms("given18")
    assert (one[0], one[2], one[3]) == ("given17", "given17", "gfn17")
    assert not {one[0], one[2], one[3]} & {other[0], other[2], other[3]}


def test_a_digit_inside_a_name_is_a_typing_error_to_the_ear() -> None:
    assert family_forms("w9od")[:2] == ("w9od", family_forms("wood")[1])


@pytest.mark.parametrize("written", ["john 3rd", "john iii"])
def test_ordinals_behind_a_name_tell_generations(written: str) -> None:
    assert given_forms(written) == (*given_forms("john")[:4], "3")


def test_a_number_that_stands_alone_is_no_name() -> None:
    assert given_forms("17") == (None,) * 5
    assert family_forms("smith 17") == family_forms("smith")

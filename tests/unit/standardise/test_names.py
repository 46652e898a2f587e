"""Letter case of names and places."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.standardise.names import proper_family_name, proper_given_name, proper_place


@pytest.mark.parametrize(
    ("written", "proper"),
    [
        ("o'neill", "O'Neill"),
        ("MCDONALD", "McDonald"),
        ("VAN DER BERG", "van der Berg"),
        ("smith-jones", "Smith-Jones"),
        ("DE LA CRUZ", "de la Cruz"),
        ("VAN", "Van"),
        ("MACHADO", "Machado"),
        ("ÖZTÜRK", "Öztürk"),
    ],
)
def test_family_names_are_cased_as_people_write_them(written: str, proper: str) -> None:
    assert proper_family_name(written) == proper


@pytest.mark.parametrize(("written", "proper"), [("JEAN-LUC", "Jean-Luc"), ("d'arcy", "D'Arcy"), ("LE", "Le")])
def test_given_names_are_cased_as_people_write_them(written: str, proper: str) -> None:
    assert proper_given_name(written) == proper


@pytest.mark.parametrize(
    ("written", "proper"), [("12 RUE DE LA PAIX", "12 Rue de la Paix"), ("145TH ST NW", "145th St NW")]
)
def test_places_are_cased_as_people_write_them(written: str, proper: str) -> None:
    assert proper_place(written) == proper


@given(st.text(max_size=30))
def test_casing_changes_letters_case_only_and_is_stable(value: str) -> None:
    once = proper_family_name(value)
    assert once.casefold() == value.lower().casefold() or once.lower() == value.lower()
    assert proper_family_name(once) == once or not value.isascii()

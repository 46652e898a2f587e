"""Gender as female, male, other or null.

What belongs here: the words and letters for each. What does not: guessing it from names.
"""

from __future__ import annotations

from orchestration.standardise.text import sql_literal

WORDS: dict[str, tuple[str, ...]] = {
    "female": (
        "f",
        "female",
        "woman",
        "w",
        "weiblich",
        "femme",
        "femenino",
        "mujer",
        "girl",
        "mrs",
        "ms",
        "miss",
        "frau",
        "vrouw",
    ),
    "male": ("m", "male", "man", "maennlich", "männlich", "homme", "masculino", "hombre", "boy", "mr", "herr", "h"),
    "other": ("o", "other", "x", "d", "divers", "diverse", "non-binary", "nonbinary", "non binary", "nb", "enby"),
}


def normalised_gender(expression: str) -> str:
    """SQL: one of female, male, other, or null for words that are none of them."""
    branches = " ".join(
        f"when rtrim(lower({expression}), '.') in ({', '.join(map(sql_literal, words))}) then '{gender}'"
        for gender, words in WORDS.items()
    )
    return f"case {branches} end"

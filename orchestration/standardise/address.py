"""Addresses and countries, written the way people read them.

What belongs here: letter case and form of street, unit, city, region, postcode and country.
What does not: matching forms (house number, street name without its type), which linkage
derives for itself.
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

from orchestration.standardise.text import needs_casing

_COUNTRIES = Path(__file__).parent / "data" / "countries.csv"


@cache
def _country_codes() -> dict[str, str]:
    with _COUNTRIES.open(encoding="utf-8", newline="") as file:
        return {row["name"]: row["iso2"] for row in csv.DictReader(file)}


def country_code(value: str) -> str | None:
    """ISO 3166-1 alpha-2 of a code (two or three letters) or a name in seven languages."""
    text = " ".join(value.strip().lower().replace("’", "'").split())
    codes = _country_codes()
    if text in codes:
        return codes[text]
    if len(text) == 2 and text.upper() in set(codes.values()):
        return text.upper()
    return codes.get(text.removeprefix("the "))


def normalised_postcode(expression: str) -> str:
    """SQL: upper case, single blanks, and a five-digit code without its `.0` of a spreadsheet."""
    return f"regexp_replace(upper({expression}), '^(\\d+)\\.0$', '\\1')"


def normalised_region(expression: str) -> str:
    """SQL: short codes in upper case; longer names are cased elsewhere."""
    short = f"length({expression}) <= 3 and regexp_full_match({expression}, '\\p{{L}}+')"
    return f"case when {short} and {needs_casing(expression)} then upper({expression}) else {expression} end"

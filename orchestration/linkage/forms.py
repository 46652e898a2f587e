"""Matching forms of single values: names, streets, sound codes.

What belongs here: functions from one folded value (lower case, plain ASCII) to the forms that
are compared and blocked on. What does not: tables and SQL (features.py), organisations, cleaning
that people should see (orchestration.standardise).
"""

from __future__ import annotations

import csv
import re
from functools import cache
from pathlib import Path

DATA = Path(__file__).parent / "data"

# Text longer than this is cut before it is compared: edit distances cost the square of it.
MAX_LENGTH = 60

# Words after a name that tell fathers from sons; the others say nothing.
_GENERATIONS = {
    "sr": "1", "senior": "1", "jr": "2", "junior": "2", "ii": "2", "2nd": "2", "iii": "3", "3rd": "3", "iv": "4", "4th": "4",
}  # fmt: skip
_SUFFIXES = frozenset((*_GENERATIONS, "phd", "md", "esq", "dds"))
_TITLES = frozenset(("mr", "mrs", "ms", "miss", "dr", "prof", "sir", "rev", "mx"))


# A word of a name has a letter; digits in it are a typing error (`w9od`), those at its end may be all that tells
# generated names apart (`Given17`). A number that stands alone is no word of a name.
_NAME_WORD = re.compile(r"[0-9]*[a-z][a-z0-9]*")
_NUMBERED = re.compile(r"(.*[a-z])([0-9]*)")


@cache
def nickname_roots() -> dict[str, str]:
    """Nickname to the root that all forms of the name share (`bob` and `rob` to `robert`)."""
    with (DATA / "nicknames.csv").open(encoding="utf-8", newline="") as file:
        return {row["name"]: row["root"] for row in csv.DictReader(file)}


@cache
def _street_words() -> dict[str, str]:
    with (DATA / "street_words.csv").open(encoding="utf-8", newline="") as file:
        return {row["word"]: row["standard"] for row in csv.DictReader(file)}


def given_forms(value: str) -> tuple[str | None, ...]:
    """Compact form, initial, nickname root, sound code and generation of a folded given name."""
    words = [word for word in _NAME_WORD.findall(value.replace("'", "")) if word not in _TITLES]
    generation = None
    if len(words) > 1 and words[-1] in ("i", *_GENERATIONS):
        generation = _GENERATIONS.get(words.pop(), "1")
    if not words:
        return None, None, None, None, None
    compact = "".join(words)[:MAX_LENGTH]
    first = words[0] if len(words[0]) > 1 or len(words) == 1 else words[1]
    root = nickname_roots().get(first, first)[:MAX_LENGTH]
    return compact, compact.lstrip("0123456789")[0], root, sound_code(first), generation


def family_forms(value: str) -> tuple[str | None, ...]:
    """Compact form, sound code, first and last part, and generation of a folded family name."""
    written = _NAME_WORD.findall(value.replace("'", ""))
    words = [word for word in written if word not in _SUFFIXES] or written
    if not words:
        return None, None, None, None, None
    generation = next((_GENERATIONS[word] for word in written[1:] if word in _GENERATIONS), None)
    compact = "".join(words)[:MAX_LENGTH]
    parts = [word for word in words if len(word) > 3] or [compact]
    return compact, sound_code(compact), parts[0], parts[-1], generation


_SOUNDS = (
    ("mac", "mk"), ("mc", "mk"), ("sch", "s"), ("sh", "s"), ("ph", "f"), ("ck", "k"), ("kn", "n"),
    ("wr", "r"), ("gh", "g"), ("dg", "j"), ("tch", "s"), ("ch", "s"), ("ce", "s"), ("ci", "s"),
    ("cy", "s"), ("th", "t"), ("x", "ks"), ("q", "k"), ("c", "k"), ("z", "s"), ("v", "f"), ("d", "t"),
    ("b", "p"), ("m", "n"),
)  # fmt: skip


def sound_code(compact: str) -> str:
    """A short consonant code that spellings of one name share (in the manner of NYSIIS).

    Digits inside are taken for typing errors; a number at the end is kept.
    """
    numbered = _NUMBERED.fullmatch(compact)
    text, number = numbered.groups() if numbered else (compact, "")
    text = re.sub("[0-9]", "", text)
    for written, heard in _SOUNDS:
        text = text.replace(written, heard)
    code = text[:1] + re.sub(r"[aeiouyhw]", "", text[1:])
    return re.sub(r"(.)\1+", r"\1", code)[:6] + number


_UNIT = re.compile(
    r"(?:\b(?:apt|appt|apartment|unit|suite|ste|flat|room|rm|lot|trlr|trailer)\b\.?|#)\s*#?\s*([a-z0-9\-]+)\b"
)
_PO_BOX = re.compile(r"\b(?:p\.?\s*o\.?\s*box|postfach|box)\s*(\d+)")
_TRAILING_CODE = re.compile(r",.*?\b(\d{4,6})(?:-\d{4})?(?:\s*[a-z]{0,3})?$")
_BRITISH_CODE = re.compile(r"\b([a-z]{1,2}\d[a-z\d]?\s?\d[a-z]{2})\b")
# Parts of an address line that are no street: a town behind its code, a state before it, a building.
_NO_STREET = re.compile(r"\d{4,6}\b.*|[a-z]{2}\s+\d{5}(-\d{4})?|(?:bld|bldg|building|block|floor|level|fl)\b.*")


def street_forms(value: str) -> tuple[str | None, ...]:
    """House number, street name in standard words, unit, trailing postcode and city of a folded line."""
    code = _TRAILING_CODE.search(value) or _BRITISH_CODE.search(value)
    postcode = code.group(1).replace(" ", "") if code else None
    box = _PO_BOX.search(value)
    if box:
        return box.group(1), "po box", None, postcode, None
    unit_match = _UNIT.search(value)
    unit = unit_match.group(1) if unit_match else None
    line, city = _street_part(_UNIT.sub(" ", value))
    words = re.findall(r"[a-z0-9]+", line.replace("'", ""))
    house, words = _house_number(words)
    standard = [_street_words().get(word, word) for word in words]
    name = " ".join(word for word in standard if word)[:MAX_LENGTH] or None
    return house, name, unit, postcode, city


def _street_part(line: str) -> tuple[str, str | None]:
    """The part of a line between commas that holds the street, and the city in the part after it."""
    parts = [part.strip() for part in line.split(",") if part.strip()]
    if len(parts) < 2:
        return line, None
    scores = [_street_likeness(part) for part in parts]
    place = scores.index(max(scores))
    after = parts[place + 1] if place + 1 < len(parts) else ""
    city = " ".join(word for word in re.findall(r"[a-z]+", after) if len(word) > 2)
    return parts[place], city[:MAX_LENGTH] or None


def _street_likeness(part: str) -> int:
    if _NO_STREET.fullmatch(part):
        return -1
    words = re.findall(r"[a-z0-9]+", part)
    lettered = any(len(word) > 1 and word.isalpha() for word in words)
    numbered = len(words) > 1 and (words[0][0].isdigit() or words[-1][0].isdigit())
    named = any(word in _street_words() for word in words[1:])
    compound = any(re.search(r"(str|strasse|straat|gasse|weg|allee|platz|gatan|ulica)$", word) for word in words)
    return 2 * (lettered and numbered) + 2 * lettered * (named or compound) + lettered


def _house_number(words: list[str]) -> tuple[str | None, list[str]]:
    """The number before, behind or (after a building's name) inside a street, and the other words."""
    ordinal = re.compile(r"\d+(st|nd|rd|th)")
    if len(words) < 2:
        return None, words
    if words[0][0].isdigit() and not ordinal.fullmatch(words[0]):
        return words[0], words[1:]
    if words[-1][0].isdigit():
        return words[-1], words[:-1]
    for place, word in enumerate(words[1:-1], start=1):
        if re.fullmatch(r"\d{1,5}[a-z]?", word):
            return word, words[place + 1 :]
    return None, words

"""Taking a full name apart into given, middle and family name.

What belongs here: the order of the parts (a comma, one-word scripts, particles), titles, aliases
in one field. What does not: letter case (names.py), matching forms, which linkage derives, and
names of organisations, which are not taken apart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from orchestration.standardise.names import PARTICLES

TITLES = frozenset(
    ["mr", "mrs", "ms", "miss", "mx", "dr", "prof", "sir", "dame", "rev", "herr", "frau", "mme", "mlle", "monsieur",
     "madame", "sr.", "sra", "señor", "señora", "sig", "dipl", "ing"]
)  # fmt: skip
GENERATIONS = frozenset(["jr", "junior", "sr", "senior", "ii", "iii", "iv"])

# Family names of two signs; every other Chinese family name has one.
_COMPOUND_FAMILY_NAMES = frozenset(
    ["欧阳", "歐陽", "司马", "司馬", "上官", "诸葛", "諸葛", "司徒", "夏侯", "皇甫", "尉迟", "尉遲", "公孙", "公孫",
     "慕容", "令狐", "长孙", "長孫", "宇文", "東方", "东方", "남궁", "황보", "제갈", "선우", "독고"]
)  # fmt: skip
_ONE_WORD = re.compile(r"[\u3400-\u9fff]{2,4}|[\uac00-\ud7af]{2,4}")
_ALIASES = re.compile(r"\s*(?:[|;]|\b(?:a\.?k\.?a\.?|alias)\b)\s*", re.IGNORECASE)
_ASIDE = re.compile(r"\([^)]*\)|\"[^\"]*\"")


@dataclass(frozen=True)
class NameParts:
    """A full name's parts; any may be missing."""

    given: str | None
    middle: str | None
    family: str | None


def first_alias(full: str) -> str:
    """The first of several names in one field (`Robert Smith | Bob Smith`), without asides in brackets."""
    names = [name.strip() for name in _ALIASES.split(_ASIDE.sub(" ", full)) if name.strip()]
    return names[0] if names else full.strip()


def split_full_name(full: str) -> NameParts:
    """Take a full name apart.

    `Family, Given Middle` by its comma; Chinese and Korean names without a blank by their first
    sign; else the first word is the given name, the last (with its particles) the family name. A
    generation (`Jr.`) stays with the family name. A single word is a family name.
    """
    name = " ".join(first_alias(full).split())
    if _ONE_WORD.fullmatch(name):
        cut = 2 if name[:2] in _COMPOUND_FAMILY_NAMES and len(name) > 2 else 1
        return NameParts(name[cut:], None, name[:cut])
    before, comma, after = name.partition(",")
    if comma and _plain(after) in GENERATIONS:
        name, comma = f"{before} {after}", ""
    if comma and before.strip() and after.strip():
        given = [word for word in after.replace(",", " ").split() if _plain(word) not in TITLES]
        return NameParts(given[0] if given else None, " ".join(given[1:]) or None, before.strip())
    words = name.replace(",", " ").split()
    while len(words) > 1 and _plain(words[0]) in TITLES:
        words.pop(0)
    if len(words) < 2:
        return NameParts(None, None, words[0] if words else None)
    start = len(words) - 1
    if _plain(words[start]) in GENERATIONS and start > 1:
        start -= 1
    while start > 1 and words[start - 1].lower() in PARTICLES and len(words[start - 1]) > 1:
        start -= 1
    return NameParts(words[0], " ".join(words[1:start]) or None, " ".join(words[start:]))


def _plain(word: str) -> str:
    return word.strip(" .").lower()

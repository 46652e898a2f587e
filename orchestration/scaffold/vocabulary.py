"""The words by which columns are known: those of linkage, and the scaffold's own file, as one index.

Belongs here: reading the word lists and finding a column's name in them. Does not belong here: looking at values.
"""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import yaml
from anyascii import anyascii

VOCABULARY_FILE = Path(__file__).parent / "data" / "vocabulary.yaml"
NAMES_FILE = Path(__file__).resolve().parent.parent.parent / "data" / "sample" / "names.csv"

# Attributes of linkage's list that say nothing a customer record could hold.
_NOT_RECORDED = ("age", "po_box", "organisation")
# The second line of an address is a unit or more of the street, which only its values tell: one name, `street_extra`.
_STREET_LINES = "street_extra"

_GERMAN = (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("Ä", "Ae"), ("Ö", "Oe"), ("Ü", "Ue"), ("ß", "ss"))
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True)
class NameMatch:
    """What a column's name says: the attribute, how firmly (0 to 1), and in words why."""

    semantic: str
    strength: float
    reason: str


@dataclass(frozen=True)
class Vocabulary:
    """The word lists, indexed by the compact form of a name (letters and digits only)."""

    attributes: Mapping[str, str]
    """Names with their words apart (`birth_day`), and compact (`birthday`); where both differ the former counts."""
    keys: tuple[str, ...]
    own_prefixes: frozenset[str]
    second_prefixes: frozenset[str]
    own_suffixes: frozenset[str]
    second_suffixes: frozenset[str]
    others: frozenset[str]
    special_categories: frozenset[str]
    order_status: Mapping[str, str]
    order_channel: Mapping[str, str]
    currencies: frozenset[str]
    currency_signs: Mapping[str, str]
    unit_words: tuple[str, ...]
    given_names: frozenset[str]
    family_names: frozenset[str]

    def match(self, words: Sequence[str]) -> NameMatch | None:
        """What a name, given as its words, stands for; None when it is unknown or somebody else's.

        Exactly known names are firmest; then names behind a word that leaves the meaning (`customer_email`), then those
        behind one that yields (`billing_city`).
        """
        known = self._known(words)
        if known is not None:
            return NameMatch(known, 1.0, f"the name `{'_'.join(words)}`")
        if self.foreign(words):
            return None
        strength, rest = 0.9, list(words)
        while len(rest) > 1:
            first, last = rest[0], rest[-1]
            if first in self.own_prefixes | self.second_prefixes:
                rest = rest[1:]
                strength -= 0.15 if first in self.second_prefixes else 0.0
            elif last in self.own_suffixes | self.second_suffixes:
                rest = rest[:-1]
                strength -= 0.15 if last in self.second_suffixes else 0.0
            else:
                break
            known = self._known(rest)
            if known is not None:
                return NameMatch(known, strength, f"the name `{'_'.join(rest)}` in it")
        return None

    def _known(self, words: Sequence[str]) -> str | None:
        return self.attributes.get("_".join(words)) or self.attributes.get("".join(words))

    def foreign(self, words: Sequence[str]) -> str | None:
        """The word by which a column is about somebody or something else than the person, if it holds one."""
        text = "_" + "_".join(words) + "_"
        return next((word for word in sorted(self.others) if f"_{word}_" in text), None)

    def special(self, words: Sequence[str]) -> bool:
        """Whether a column holds what the law protects most (GDPR article 9)."""
        return bool(self.special_categories & set(words))

    def key_rank(self, words: Sequence[str]) -> int | None:
        """The place of a name in the list of keys, best first; None when it is no known key."""
        whole = "".join(words)
        return self.keys.index(whole) if whole in self.keys else None


def words_of(name: str) -> tuple[str, ...]:
    """The words of a column's name in lower-case ASCII: `Kunden-Nr.` and `kundenNr` are (`kunden`, `nr`)."""
    plain = anyascii(_umlauts(_CAMEL.sub("_", name)))
    return tuple(word for word in re.split(r"[^a-z0-9]+", plain.lower()) if word)


@lru_cache(maxsize=100_000)
def compact(name: str) -> str:
    """Letters and digits of a name or value in lower-case ASCII."""
    return "".join(words_of(name))


def _umlauts(text: str) -> str:
    # The way Germans write them without the letters; anyascii would drop the e.
    for letter, written in _GERMAN:
        text = text.replace(letter, written)
    return text


@cache
def vocabulary() -> Vocabulary:
    """The word lists, read once."""
    from orchestration.linkage.columns import RULES_FILE

    own = yaml.safe_load(VOCABULARY_FILE.read_text(encoding="utf-8"))
    linkage: dict[str, list[str]] = yaml.safe_load(RULES_FILE.read_text(encoding="utf-8"))["columns"]
    attributes: dict[str, str] = {}
    whole: dict[str, str] = {}
    own_names: dict[str, list[str]] = own["names"]
    # The scaffold's own first: where both know a name, its list tells finer (a second line of an address).
    for semantic, names in [(_STREET_LINES, own_names[_STREET_LINES]), *linkage.items(), *own_names.items()]:
        if semantic not in _NOT_RECORDED:
            for name in names:
                attributes.setdefault("_".join(words_of(str(name))), semantic)
                whole.setdefault(compact(str(name)), semantic)
    given, family = _common_names()
    return Vocabulary(
        attributes={**whole, **attributes},
        keys=tuple(dict.fromkeys(compact(str(name)) for name in own["keys"])),
        own_prefixes=frozenset(own["own_prefixes"]),
        second_prefixes=frozenset(own["second_prefixes"]),
        own_suffixes=frozenset(map(str, own["own_suffixes"])),
        second_suffixes=frozenset(map(str, own["second_suffixes"])),
        others=frozenset(own["others"]),
        special_categories=frozenset(own["special_categories"]),
        order_status=_inverse(own["order_status"]),
        order_channel=_inverse(own["order_channel"]),
        currencies=frozenset(own["currencies"]),
        currency_signs=own["currency_signs"],
        unit_words=tuple(own["unit_words"]),
        given_names=given,
        family_names=family,
    )


def _inverse(groups: Mapping[str, Sequence[str]]) -> dict[str, str]:
    return {compact(str(word)): group for group, words in groups.items() for word in words}


def _common_names() -> tuple[frozenset[str], frozenset[str]]:
    """Given and family names of the sample company's word lists; empty when a project has dropped the sample."""
    if not NAMES_FILE.exists():
        return frozenset(), frozenset()
    given: set[str] = set()
    family: set[str] = set()
    with NAMES_FILE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            names = {compact(row["name"]), compact(row["latin"] or "")} - {""}
            (family if row["kind"] == "s" else given).update(names)
    return frozenset(given), frozenset(family)

"""Names of organisations: telling them from people, and the forms that are compared.

What belongs here: legal forms (`data/legal_forms.csv`), words of record-type columns, and the
matching forms of a name. What does not: names of people, and deciding what agreement is worth.
"""

from __future__ import annotations

import csv
import re
from functools import cache

from orchestration.linkage.forms import DATA, MAX_LENGTH, sound_code
from orchestration.linkage.sql import literal

# What a column of record types says of an organisation.
TYPE_WORDS = (
    "organization", "organisation", "org", "company", "business", "corporate", "corporation", "firm", "b2b",
    "legal entity", "legal person", "entity", "firma", "unternehmen", "gewerbe", "entreprise", "société", "empresa",
    "azienda", "bedrijf", "f\u00f6retag",
)  # fmt: skip

# Forms that are words or names of people as well tell an organisation only at the end of a name and
# never alone: "Sa", "As" and "Co" are family names, "private" and "limited" are not.
_TELLING = frozenset(
    ["inc", "incorporated", "corp", "corporation", "llc", "llp", "pllc", "company", "ltd", "limited", "plc", "pty", "pvt",
     "gmbh", "mbh", "kgaa", "ohg", "gbr", "sarl", "sasu", "eurl", "srl", "srls", "bvba", "asbl", "oyj", "aps", "bhd",
     "sdn", "pte", "ltda", "eireli", "kft", "zrt", "ooo", "oao", "zao", "sro", "doo", "ltee", "ulc", "kg", "bv"]
)  # fmt: skip
_JOINING = frozenset(["and", "und", "et", "y", "of", "the", "der", "die", "das", "de", "la", "le", "les"])


@cache
def legal_forms() -> frozenset[str]:
    """Legal forms in lower case, without dots."""
    with (DATA / "legal_forms.csv").open(encoding="utf-8", newline="") as file:
        return frozenset(row["form"] for row in csv.DictReader(file))


def has_legal_form(expression: str) -> str:
    """SQL: true when a name holds a word that only organisations have."""
    undotted = f"replace(lower({expression}), '.', '')"
    return f"coalesce(regexp_matches({undotted}, '[^ ,|]+[ ,]+({'|'.join(sorted(_TELLING))})\\b'), false)"


def is_organisation_type(expression: str) -> str:
    """SQL: true when a value of a record-type column means an organisation."""
    return f"coalesce(lower(trim({expression})) in ({', '.join(map(literal, TYPE_WORDS))}), false)"


def organisation_forms(value: str) -> tuple[str | None, ...]:
    """Main name, all names joined by `|`, sorted words, and sound code, of a folded organisation name.

    Legal forms, joining words and signs are left out; `a | b` and `a (b)` give two names.
    """
    names = [name for name in (_main_words(part) for part in re.split(r"[|;()]", value)) if name]
    if not names:
        return None, None, None, None
    main = " ".join(names[0])[:MAX_LENGTH]
    together = "|".join(dict.fromkeys(" ".join(words)[:MAX_LENGTH] for words in names))
    words = " ".join(sorted({word for words in names for word in words}))[: 2 * MAX_LENGTH]
    return main, together, words, sound_code("".join(re.findall("[a-z]", main)))


def _main_words(name: str) -> list[str]:
    plain = name.replace("&", " and ").replace("'", "").replace(".", "")
    words = [word for word in re.findall(r"[a-z0-9]+", plain) if word not in _JOINING]
    return [word for place, word in enumerate(words) if place == 0 or word not in legal_forms()]

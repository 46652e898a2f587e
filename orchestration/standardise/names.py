"""Letter case of names of people and places.

What belongs here: turning names written in one case (`MCDONALD`, `o'neill`) into the way people
write them. What does not: matching forms of names (nicknames, transliteration), which linkage
derives for itself, and placeholders.
"""

from __future__ import annotations

import re

# Lower-case words inside family names, by the habits of Dutch, German, Romance and Arabic names.
PARTICLES = frozenset(
    [
        "van",
        "von",
        "der",
        "den",
        "de",
        "del",
        "della",
        "dello",
        "di",
        "da",
        "do",
        "dos",
        "das",
        "du",
        "des",
        "la",
        "le",
        "les",
        "el",
        "al",
        "bin",
        "ibn",
        "bint",
        "ten",
        "ter",
        "ten",
        "zu",
        "zum",
        "zur",
        "af",
        "av",
        "y",
        "e",
    ]
)
_UPPER = frozenset(["ii", "iii", "iv", "vi", "vii", "viii", "ne", "nw", "se", "sw", "po", "us", "uk"])
_WORD = re.compile(r"[^\s\-]+|[\s\-]+")


def proper_family_name(value: str) -> str:
    """Case of a family name: `van der Berg`, `O'Neill`, `McDonald`, `Smith-Jones`.

    A particle stays lower-case unless the name has no other word (`Van`, `La`).
    """
    words = _WORD.findall(value.lower())
    only_particles = all(not word.strip(" -") or word in PARTICLES for word in words)
    return "".join(word if word in PARTICLES and not only_particles else _capitalised(word) for word in words)


def proper_given_name(value: str) -> str:
    """Case of a given name: `Mary-Jane`, `D'Arcy`; particles after the first word stay low."""
    words = _WORD.findall(value.lower())
    return "".join(
        word if word in PARTICLES and position > 0 else _capitalised(word) for position, word in enumerate(words)
    )


def proper_place(value: str) -> str:
    """Case of a street or a city: `12 Rue de la Paix`, `St. John's`, `145th St`."""
    words = _WORD.findall(value.lower())
    return "".join(
        word if word in PARTICLES and position > 0 else _capitalised(word) for position, word in enumerate(words)
    )


def _capitalised(word: str) -> str:
    if word in _UPPER:
        return word.upper()
    parts = re.split(r"(['’])", word)
    if len(parts) == 3 and len(parts[0]) <= 2 and len(parts[2]) > 1:
        return _first_upper(parts[0]) + parts[1] + _first_upper(parts[2])
    if re.match(r"mc[^\W\d_]{2,}", word):
        return "Mc" + _first_upper(word[2:])
    return _first_upper(word)


def _first_upper(word: str) -> str:
    """Upper-case the first letter; digits before it (`145th`) mean that there is none."""
    for position, character in enumerate(word):
        if character.isdigit():
            return word
        if character.isalpha():
            return word[:position] + character.upper() + word[position + 1 :]
    return word

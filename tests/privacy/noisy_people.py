"""People of the sample with generated noise, as rows of a source: for measuring who is known again.

Belongs here: seeded noise in the manner of Febrl (P. Christen, "Febrl: a freely available record linkage system with a
graphical user interface", 2008): per record one to three modifications, at most two in a field, with missing values on
top. Does not belong here: what recognises them.
"""

import random
from collections.abc import Mapping, Sequence
from datetime import date

Person = Mapping[str, object]
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
# Names and addresses are mistyped, copied contacts are often right: Febrl's default ranking.
_FIELDS = {"given_name": 3, "family_name": 3, "email": 2, "phone": 2, "birth_date": 2, "postcode": 1, "street": 2}
_MISSING = 0.08


def noisy(person: Person, rng: random.Random) -> dict[str, str | None]:
    """One more record of the person, typed anew with errors; every value as text."""
    birth = person["birth_date"]
    row: dict[str, str | None] = {
        "given_name": _text(person["given_name"]),
        "family_name": _text(person["family_name"]),
        "birth_date": birth.isoformat() if isinstance(birth, date) else None,
        "email": _text(person["email"]),
        "phone": _text(person["mobile"] or person["landline"]),
        "street": _text(person["street"]),
        "city": _text(person["city"]),
        "postcode": _text(person["postcode"]),
        "country": _text(person["country"]),
    }
    changed: dict[str, int] = {}
    for _ in range(rng.choice((1, 1, 2, 2, 3))):
        field = rng.choices(list(_FIELDS), list(_FIELDS.values()))[0]
        value = row[field]
        if value and changed.get(field, 0) < 2:
            changed[field] = changed.get(field, 0) + 1
            row[field] = _wrong_date(value, rng) if field == "birth_date" else _mistyped(value, rng)
    for field in ("birth_date", "email", "phone", "street"):
        if rng.random() < _MISSING:
            row[field] = None
    return row


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _mistyped(value: str, rng: random.Random) -> str:
    place = rng.randrange(len(value))
    letter = rng.choice("0123456789") if value[place].isdigit() else rng.choice(_LETTERS)
    kind = rng.choice(("insert", "delete", "replace", "exchange"))
    if kind == "insert":
        return value[:place] + letter + value[place:]
    if kind == "delete" and len(value) > 2:
        return value[:place] + value[place + 1 :]
    if kind == "exchange" and place + 1 < len(value):
        return value[:place] + value[place + 1] + value[place] + value[place + 2 :]
    return value[:place] + letter + value[place + 1 :]


def _wrong_date(value: str, rng: random.Random) -> str:
    year, month, day = (int(part) for part in value.split("-"))
    if rng.random() < 0.5 and day <= 12:
        return f"{year}-{day:02d}-{month:02d}"
    if rng.random() < 0.5:
        return f"{year}-{month:02d}-{min(28, max(1, day + rng.choice((-10, -1, 1, 10)))):02d}"
    return f"{year + rng.choice((-10, -1, 1, 10))}-{month:02d}-{min(day, 28):02d}"


def sample_of(people: Sequence[Person], count: int, rng: random.Random) -> list[Person]:
    """Some of the people, in a reproducible order."""
    return rng.sample(sorted(people, key=lambda person: str(person["person_id"])), count)

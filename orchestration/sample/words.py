"""The committed word lists of the sample company, as arrays that whole columns are drawn from.

Belongs here: reading `data/sample/*.csv` and what follows from single words (romanised, Latin-1 and ASCII forms,
female surname forms). Does not belong here: people.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from anyascii import anyascii

from orchestration.config import PROJECT_ROOT
from orchestration.errors import KindredError

WORDS_FOLDER = PROJECT_ROOT / "data" / "sample"

# How a name is written: as at home, romanised, within Latin-1, within ASCII.
NATIVE, LATIN, LATIN1, ASCII = range(4)

NON_LATIN = frozenset({"uk", "zh", "ja", "ko", "ar"})
CJK = frozenset({"zh", "ja", "ko"})
TWO_SURNAMES = frozenset({"es", "pt"})
DOUBLE_BARRELLED = frozenset({"en", "fr", "de"})
MONONYM = "id"

_FEMALE_ENDINGS = (
    ("ski", "ska"), ("cki", "cka"), ("dzki", "dzka"), ("ський", "ська"), ("цький", "цька"), ("ов", "ова"),
    ("єв", "єва"), ("ин", "ина"),
)  # fmt: skip
_FEMALE_LATIN = (
    ("skyi", "ska"), ("tskyi", "tska"), ("skiy", "ska"), ("ov", "ova"), ("yev", "yeva"), ("yn", "yna"),
)  # fmt: skip
_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class WordListError(KindredError):
    """A word list is missing or has a row that cannot be used."""


@dataclass(frozen=True)
class NamePool:
    """Names of one kind (given or family), in every way of writing.

    `texts` holds the four ways one after another, each `size` long: row `way * size + index`.
    """

    size: int
    texts: pa.Array
    culture: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Weighted:
    """Row numbers of a pool with their cumulated weights."""

    rows: Ints
    cumulated: Floats

    def draw(self, uniform: npt.NDArray[np.floating]) -> Ints:
        """One row for each number in [0, 1)."""
        return self.rows[np.searchsorted(self.cumulated, uniform, side="right").clip(0, len(self.rows) - 1)]


@dataclass(frozen=True)
class Country:
    """What is the same for all households of a country."""

    code: str
    name: str
    calling: str
    trunk: str
    mobile_prefixes: tuple[str, ...]
    mobile_digits: int
    landline_digits: int
    number_first: bool
    locale: str
    cities: Weighted
    streets: Ints
    street_types: Ints
    cultures: Weighted
    domains: Weighted


@dataclass(frozen=True)
class Words:
    """Every list, read once."""

    cultures: tuple[str, ...]
    given: NamePool
    """Given names, then their nicknames: `nick_of[row]` are the rows of a name's nicknames (first, count)."""
    nick_first: Ints
    nick_count: Ints
    family: NamePool
    """Family names, then at `+ family_female` the form that a woman bears."""
    family_female: int
    pick: dict[tuple[str, str], Weighted]
    countries: tuple[Country, ...]
    country_weights: Weighted
    city: pa.Array
    region: pa.Array
    city_area: tuple[str, ...]
    city_postcode: tuple[str, ...]
    street: pa.Array
    street_type: pa.Array
    street_type_short: pa.Array
    domain: pa.Array
    products: pa.Table
    subjects: pa.Table


def _rows(folder: Path, name: str) -> list[dict[str, str]]:
    path = folder / name
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise WordListError(f"{path}: cannot be read ({error.strerror}); restore it from the repository") from error
    if not rows:
        raise WordListError(f"{path}: holds no row; restore it from the repository")
    return rows


def _weighted(rows: list[int], weights: list[float]) -> Weighted:
    total = np.cumsum(np.asarray(weights, dtype=np.float64))
    return Weighted(np.asarray(rows, dtype=np.int64), total / total[-1])


def _latin1(text: str) -> str:
    return "".join(c if ord(c) < 256 else anyascii(c) for c in text)


def _ascii(text: str, culture: str) -> str:
    return anyascii(text.translate(_GERMAN) if culture == "de" else text)


def _pool(names: list[tuple[str, str, str]], cultures: tuple[str, ...]) -> NamePool:
    """Names as (culture, native, latin or '')."""
    ways = (
        [native for _, native, _ in names],
        [latin or native for _, native, latin in names],
        [_latin1(latin or native) for _, native, latin in names],
        [_ascii(latin or native, culture) for culture, native, latin in names],
    )
    index = {culture: i for i, culture in enumerate(cultures)}
    return NamePool(
        len(names),
        pa.array([text for way in ways for text in way], pa.string()),
        np.array([index[culture] for culture, _, _ in names], dtype=np.int64),
    )


def _female(text: str, endings: tuple[tuple[str, str], ...]) -> str:
    for male, female in endings:
        if text.endswith(male):
            return text[: -len(male)] + female
    return text


def load_words(folder: Path = WORDS_FOLDER) -> Words:
    """Read the lists.

    Raises:
        WordListError: a list is missing, empty or inconsistent.
    """
    names = _rows(folder, "names.csv")
    cultures = tuple(sorted({row["culture"] for row in names}))
    given = [row for row in names if row["kind"] != "s"]
    family = [row for row in names if row["kind"] == "s"]
    pick: dict[tuple[str, str], Weighted] = {}
    for rows in (given, family):
        groups: dict[tuple[str, str], list[int]] = {}
        for i, row in enumerate(rows):
            groups.setdefault((row["culture"], row["kind"]), []).append(i)
        for key, members in groups.items():
            pick[key] = _weighted(members, [float(rows[i]["weight"]) for i in members])

    nicknames: dict[str, list[str]] = {}
    for row in _rows(folder, "nicknames.csv"):
        nicknames.setdefault(row["name"], []).append(row["nick"])
    all_given = [(row["culture"], row["name"], row["latin"]) for row in given]
    nick_first, nick_count = np.zeros(len(given), np.int64), np.zeros(len(given), np.int64)
    for i, row in enumerate(given):
        nicks = nicknames.get(row["name"], [])
        nick_first[i], nick_count[i] = len(all_given), len(nicks)
        latin = row["culture"] in NON_LATIN
        all_given += [(row["culture"], nick, anyascii(nick).replace("'", "") if latin else "") for nick in nicks]

    male = [(row["culture"], row["name"], row["latin"]) for row in family]
    female = [
        (c, _female(n, _FEMALE_ENDINGS), _female(lat, _FEMALE_LATIN)) if c in ("pl", "uk") else (c, n, lat)
        for c, n, lat in male
    ]
    cities, streets = _rows(folder, "cities.csv"), _rows(folder, "streets.csv")
    types, domains = _rows(folder, "street_types.csv"), _rows(folder, "domains.csv")
    mix = _rows(folder, "mix.csv")
    countries_rows = _rows(folder, "countries.csv")

    def of(rows: list[dict[str, str]], code: str, *, anywhere: bool = False) -> list[int]:
        return [i for i, r in enumerate(rows) if r["country"] == code or (anywhere and not r["country"])]

    countries = []
    for row in countries_rows:
        code = row["code"]
        here, mails = of(cities, code), of(domains, code, anywhere=True)
        mixed = [mix[i] for i in of(mix, code)]
        if not here or not mixed:
            raise WordListError(f"{folder}: country {code} has no row in cities.csv or mix.csv; add one")
        countries.append(
            Country(
                code=code,
                name=row["name"],
                calling=row["calling"],
                trunk=row["trunk"],
                mobile_prefixes=tuple(row["mobile_prefixes"].split()),
                mobile_digits=int(row["mobile_digits"]),
                landline_digits=int(row["landline_digits"]),
                number_first=row["street_style"] == "number_first",
                locale=row["locale"],
                cities=_weighted(here, [float(cities[i]["weight"]) for i in here]),
                streets=np.array(of(streets, code), np.int64),
                street_types=np.array(of(types, code) or [0], np.int64),
                cultures=_weighted([cultures.index(r["culture"]) for r in mixed], [float(r["weight"]) for r in mixed]),
                domains=_weighted(mails, [float(domains[i]["weight"]) for i in mails]),
            )
        )
    return Words(
        cultures=cultures,
        given=_pool(all_given, cultures),
        nick_first=nick_first,
        nick_count=nick_count,
        family=_pool(male + female, cultures),
        family_female=len(male),
        pick=pick,
        countries=tuple(countries),
        country_weights=_weighted(list(range(len(countries))), [float(r["weight"]) for r in countries_rows]),
        city=pa.array([r["city"] for r in cities], pa.string()),
        region=pa.array([r["region"] for r in cities], pa.string()),
        city_area=tuple(r["area"] for r in cities),
        city_postcode=tuple(r["postcode"] for r in cities),
        street=pa.array([r["street"] for r in streets], pa.string()),
        street_type=pa.array([r["type"] for r in types], pa.string()),
        street_type_short=pa.array([r["short"] for r in types], pa.string()),
        domain=pa.array([r["domain"] for r in domains], pa.string()),
        products=pa.Table.from_pylist(_rows(folder, "products.csv")),
        subjects=pa.Table.from_pylist(_rows(folder, "subjects.csv")),
    )

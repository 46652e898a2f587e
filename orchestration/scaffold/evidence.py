"""What values look like, for each attribute that a column could feed: for it, against it, or neither.

Belongs here: the looks of e-mail addresses, phones, postcodes, names and so on, and the shares that decide. Does not
belong here: the names of columns (see `vocabulary`), and which column wins (see `semantics`).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from orchestration.scaffold.profile import ColumnProfile
from orchestration.scaffold.vocabulary import compact, vocabulary

Verdict = Literal["for", "against", "open"]

# 2026-01: a column is what nearly all its values look like; exports carry a few percent of misplaced values. Lower, and
# a column of notes that mention an address now and then counts as addresses.
ENOUGH = 0.8
# Below it the values speak against the name. Between the two they are silent.
TOO_FEW = 0.3
# Common names are known for one in six values of a real list of names in any of the languages of the word lists, and
# for hardly any value of other text.
ENOUGH_NAMES = 0.15

_EMAIL = re.compile(r"^[^@\s]+@[^@\s]+\.[^@\s]+$")
_PHONE_SIGNS = re.compile(r"^[+(]?[\d\s().+/-]+(\s?(x|ext\.?)\s?\d+)?$", re.IGNORECASE)
_POSTCODES = re.compile(
    r"^([A-Z]{1,2}-?\d{3,6}|\d{4,6}|\d{5}-\d{4}|\d{3}-?\d{4}|\d{2}-\d{3}|\d{5}-\d{3}|\d{3} \d{2}|\d{4} ?[A-Z]{2}"
    r"|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|[A-Z]\d[A-Z] ?\d[A-Z]\d|[A-Z]\d{2} ?[A-Z\d]{4})$",
    re.IGNORECASE,
)
# Letters and digits in an order that only postcodes have (Britain, Canada, the Netherlands).
_SURE_POSTCODES = re.compile(
    r"^([A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}|[A-Z]\d[A-Z] \d[A-Z]\d|\d{4} [A-Z]{2})$", re.IGNORECASE
)
_HOUSE_NUMBER = re.compile(r"^\d{1,5}(\.0)?\s?[a-z]?([-/ ]+\d{1,5}\s?[a-z]?)?$", re.IGNORECASE)
_YEAR = re.compile(r"^(1[5-9]|20)\d{2}(\.0)?$")


@dataclass(frozen=True)
class Look:
    """A verdict with its reason in words, for the table that people check."""

    verdict: Verdict
    reason: str


@dataclass(frozen=True)
class Looks:
    """Shares of a column's values (by rows, in the sample) that look like something."""

    column: ColumnProfile

    def share(self, test: Callable[[str], bool]) -> float:
        """Share of the values that pass the test."""
        total = sum(count for _, count in self.column.sample)
        passed = sum(count for value, count in self.column.sample if test(value.strip()))
        return passed / total if total else 0.0

    @cached_property
    def emails(self) -> float:
        return self.share(lambda value: _EMAIL.match(value) is not None)

    @cached_property
    def phones(self) -> float:
        """Signs of a phone number and a plausible count of digits; plain numbers count, dates do not."""
        return 0.0 if self.dated else self.share(_is_phone)

    @cached_property
    def marked_phones(self) -> float:
        """Phone numbers that only a phone number is written like: with +, a leading 0, brackets or gaps."""
        return (
            0.0 if self.dated else self.share(lambda value: (_is_phone(value) and not value.isdigit()) or _trunk(value))
        )

    @cached_property
    def digits(self) -> float:
        return self.share(lambda value: any(sign.isdigit() for sign in value))

    @cached_property
    def only_digits(self) -> float:
        return self.share(lambda value: value.replace(".", "").isdigit())

    @cached_property
    def several_words(self) -> float:
        return self.share(lambda value: len(value.replace(",", ", ").split()) > 1)

    @cached_property
    def given_names(self) -> float:
        known = vocabulary().given_names
        return self.share(lambda value: any(compact(part) in known for part in value.split()[:2]))

    @cached_property
    def family_names(self) -> float:
        known = vocabulary().family_names
        return self.share(lambda value: compact(value) in known)

    @cached_property
    def full_names(self) -> float:
        """Two to five words without digits, one of them a common given name."""
        known = vocabulary().given_names

        def full_name(value: str) -> bool:
            words = value.replace(",", " ").split()
            return 2 <= len(words) <= 5 and not any(map(str.isdigit, value)) and any(compact(w) in known for w in words)

        return self.share(full_name)

    @cached_property
    def genders(self) -> float:
        from orchestration.standardise.gender import WORDS

        known = {word for words in WORDS.values() for word in words}
        return self.share(lambda value: value.lower().rstrip(".") in known)

    @cached_property
    def countries(self) -> float:
        from orchestration.standardise.address import country_code

        return self.share(lambda value: country_code(value) is not None)

    @cached_property
    def postcodes(self) -> float:
        return self.share(lambda value: _POSTCODES.match(value) is not None)

    @cached_property
    def sure_postcodes(self) -> float:
        return self.share(lambda value: _SURE_POSTCODES.match(value) is not None)

    @cached_property
    def units(self) -> float:
        words = set(vocabulary().unit_words)
        return self.share(lambda value: bool(words & set(re.split(r"[\s.,\d]+", value.lower()))))

    @property
    def dated(self) -> bool:
        """The column holds dates or times."""
        return self.column.dates is not None or self.column.type in ("date", "timestamp")

    def of(self, semantic: str) -> Look:
        """What the values say to the column feeding this attribute."""
        if not self.column.filled:
            return Look("open", "no value")
        if self.column.type == "object":
            return Look("against", "a list or an object")
        judge = _JUDGES.get(semantic)
        return judge(self) if judge else Look("open", "")


def _is_phone(value: str) -> bool:
    count = sum(sign.isdigit() for sign in value)
    return 6 <= count <= 15 and _PHONE_SIGNS.match(value) is not None


def _trunk(value: str) -> bool:
    return value.isdigit() and value.startswith("0") and 8 <= len(value) <= 14


def _by_share(share: float, what: str, *, against_below: float = TOO_FEW) -> Look:
    said = f"{100 * share:.0f} % of values look like {what}"
    return Look("for" if share >= ENOUGH else "against" if share < against_below else "open", said)


def _name(share: float, what: str, looks: Looks) -> Look:
    if looks.digits > 0.5 or looks.emails > TOO_FEW:
        return Look("against", f"{100 * max(looks.digits, looks.emails):.0f} % of values hold digits or @")
    said = f"{100 * share:.0f} % are common {what}"
    return Look("for" if share >= ENOUGH_NAMES else "open", said)


def _full_name(looks: Looks) -> Look:
    if looks.digits > 0.5 or looks.emails > TOO_FEW:
        return Look("against", "values hold digits or @")
    said = f"{100 * looks.several_words:.0f} % have several words, {100 * looks.given_names:.0f} % a common given name"
    return Look("for" if looks.several_words > 0.5 and looks.given_names >= ENOUGH_NAMES else "open", said)


def _dated(looks: Looks) -> Look:
    return Look("for" if looks.dated else "against", looks.column.type_evidence if looks.dated else "no dates in it")


def _number_between(looks: Looks, low: int, high: int, what: str) -> Look:
    def within(value: str) -> bool:
        text = value.removesuffix(".0")
        return text.isdigit() and low <= int(text[:9]) <= high

    return _by_share(looks.share(within), what, against_below=ENOUGH)


def _words(looks: Looks, what: str) -> Look:
    if looks.only_digits > 0.5:
        return Look("against", f"{100 * looks.only_digits:.0f} % of values are numbers, not {what}")
    return Look("open", f"{looks.column.distinct:,} different values")


def _money(looks: Looks) -> Look:
    column = looks.column
    share = max(column.share("numbers"), column.share("comma_numbers"), column.share("money"))
    return _by_share(share, "amounts of money", against_below=0.95)


def _code(looks: Looks) -> Look:
    if looks.dated and looks.column.type not in ("string", "integer"):
        return Look("against", "dates")
    return Look("open", f"{looks.column.distinct:,} different values")


def _few(looks: Looks, known: set[str], what: str) -> Look:
    if looks.column.distinct > 50:
        return Look("against", f"{looks.column.distinct:,} different values are no {what}")
    share = looks.share(lambda value: compact(value) in known)
    return Look("for" if share >= 0.5 else "open", f"{100 * share:.0f} % are known words of a {what}")


_JUDGES: dict[str, Callable[[Looks], Look]] = {
    "email": lambda looks: _by_share(looks.emails, "e-mail addresses"),
    "phone": lambda looks: _by_share(looks.phones, "phone numbers"),
    "birth_date": _dated,
    "birth_year": lambda looks: _by_share(looks.share(lambda v: bool(_YEAR.match(v))), "years", against_below=ENOUGH),
    "birth_month": lambda looks: _number_between(looks, 1, 12, "months"),
    "birth_day": lambda looks: _number_between(looks, 1, 31, "days of a month"),
    "gender": lambda looks: _by_share(looks.genders, "genders"),
    "country": lambda looks: _by_share(looks.countries, "countries"),
    "postcode": lambda looks: (
        Look("against", "no digits in them") if looks.digits < 0.1 else _by_share(looks.postcodes, "postcodes", against_below=0.05)
    ),
    "given_name": lambda looks: _name(looks.given_names, "given names", looks),
    "middle_name": lambda looks: _name(looks.given_names, "given names", looks),
    "family_name": lambda looks: _name(looks.family_names, "family names", looks),
    "full_name": _full_name,
    "house_number": lambda looks: _by_share(
        looks.share(lambda value: bool(_HOUSE_NUMBER.match(value))), "house numbers", against_below=0.7
    ),
    "street": lambda looks: _words(looks, "streets"),
    "full_address": lambda looks: _words(looks, "addresses"),
    "city": lambda looks: _words(looks, "towns"),
    "region": lambda looks: _words(looks, "regions"),
    "unit": lambda looks: _code(looks),
    "updated_at": _dated,
    "created_at": _dated,
    "ordered_at": _dated,
    "amount": _money,
    "items": lambda looks: _number_between(looks, 0, 1_000_000, "counts"),
    "currency": lambda looks: _by_share(
        looks.share(lambda value: value.upper() in vocabulary().currencies), "currency codes", against_below=ENOUGH
    ),
    "status": lambda looks: _few(looks, set(vocabulary().order_status), "state of orders"),
    "channel": lambda looks: _few(looks, set(vocabulary().order_channel), "channel of orders"),
    "order_id": _code,
}  # fmt: skip

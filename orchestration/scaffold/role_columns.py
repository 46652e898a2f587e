"""What a file holds of consent, support tickets and events: the columns of each, what is missing, and how to say it.

Belongs here: recognising these roles by columns and values. Does not belong here: the words (`role_words`), who the rows
are about (`keys`, `role_keys`), and the SQL (`staging_consent`, `staging_tickets`, `staging_events`).
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from orchestration.scaffold.errors import ScaffoldError
from orchestration.scaffold.profile import ColumnProfile, FileProfile
from orchestration.scaffold.role_words import plain_word, role_words
from orchestration.scaffold.vocabulary import words_of

Role = Literal["consent_events", "support_tickets", "customer_events"]
ROLES_OF_ROWS: tuple[Role, ...] = ("consent_events", "support_tickets", "customer_events")
EpochUnit = Literal["s", "ms", "us"]

_TIMES = ("occurred_at", "granted_at", "withdrawn_at", "created_at", "updated_at")
# Parts of a path that only hold others: `properties.revenue` is the revenue.
_WRAPPERS = frozenset({"properties", "event_properties", "attributes", "fields", "data", "payload", "params", "traits",
                       "context", "event", "ticket", "ecommerce", "device", "message"})  # fmt: skip
# Shares of values that are known words, above which a column holds answers: for a name that says so, and for `status`.
_ENOUGH_ANSWERS = 0.5
_MOST_WORDS = 30
_GENERIC_ANSWERS = frozenset({"status", "state", "answer", "decision"})
_OF_ITSELF = ("opt_out", "optout", "unsubscribed", "do_not_contact", "donotcall", "donotemail", "werbesperre")
"""Refusals that need no other word beside them."""
_TICKET_SIGNS = frozenset({"ticket", "tickets", "case", "cases", "incident", "incidents", "issue", "helpdesk", "zendesk",
                           "freshdesk", "support", "conversation", "conversations", "vorgang"})  # fmt: skip
_EPOCH: tuple[tuple[EpochUnit, int], ...] = (("s", 10), ("ms", 13), ("us", 16))
_FOR_ALL = {
    "purpose": "marketing", "channel": "email", "legal_basis": "consent", "currency": "EUR",
}  # fmt: skip
"""What can be said of every row by --set, with an example."""


@dataclass(frozen=True)
class Answer:
    """A column of answers, and what they are about: a column of the row, or the same for all."""

    column: ColumnProfile
    refusing: bool
    """The column says who refused (`do_not_email`): yes is a withdrawal, no is no answer."""
    purpose: ColumnProfile | str
    channel: ColumnProfile | str


@dataclass(frozen=True)
class RoleReading:
    """A role that the file holds, or could hold: its columns, and what is missing to feed it."""

    role: Role
    columns: Mapping[str, ColumnProfile]
    """Attribute of the role to its column."""
    answers: tuple[Answer, ...] = ()
    constants: Mapping[str, str] = field(default_factory=dict)
    """What is the same for all rows."""
    missing: tuple[str, ...] = ()
    """Sentences on what no column tells, each with the way out."""

    @property
    def times(self) -> dict[str, ColumnProfile]:
        """The columns that hold moments, by attribute."""
        return {name: column for name, column in self.columns.items() if name in _TIMES}

    @cached_property
    def used(self) -> dict[int, str]:
        """Place of each column that the role takes to its attribute."""
        taken = {column.position: name for name, column in self.columns.items()}
        for answer in self.answers:
            taken.setdefault(answer.column.position, "answer")
        return taken


@dataclass(frozen=True)
class Named:
    """What the user said of columns: attribute to column (--map), and attribute to one value for all rows (--set)."""

    columns: Mapping[str, ColumnProfile] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)


def named(profile: FileProfile, mapped: Sequence[str], given: Sequence[str]) -> Named:
    """Read `attribute=column` and `attribute=value`.

    Raises ScaffoldError for another form, an unknown attribute, or a column that the file has not.
    """
    columns: dict[str, ColumnProfile] = {}
    for text in mapped:
        name, value = _pair(text, "--map", "purpose=Topic")
        column = profile.column(value)
        if column is None:
            listed = ", ".join(c.physical_name for c in profile.columns)
            raise ScaffoldError(f"--map {text}: the file has no column {value!r}; it has {listed}")
        columns[name] = column
    values: dict[str, str] = {}
    for text in given:
        name, value = _pair(text, "--set", "purpose=marketing")
        if name not in _FOR_ALL:
            raise ScaffoldError(f"--set {text}: only {', '.join(_FOR_ALL)} can be the same for all rows")
        values[name] = _constant(name, value)
    return Named(columns, values)


def _pair(text: str, option: str, example: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name.strip() or not value.strip():
        raise ScaffoldError(f"{option} {text}: write attribute=..., for example {option} {example}")
    return name.strip(), value.strip()


def _constant(name: str, value: str) -> str:
    words = role_words()
    if name == "currency":
        if not re.fullmatch(r"[A-Za-z]{3}", value):
            raise ScaffoldError(f"--set currency={value}: an ISO 4217 code of three letters is needed, such as EUR")
        return value.upper()
    kind = {"purpose": "purposes", "channel": "channels", "legal_basis": "legal_bases"}[name]
    meaning = words.meaning(kind, value)
    if meaning is None and name == "legal_basis":
        raise ScaffoldError(f"--set legal_basis={value}: one of {', '.join(words.values[kind])} is needed")
    return meaning or plain_word(value)


def attributes_of_roles() -> frozenset[str]:
    """Every attribute of the roles that `--map` can name."""
    return frozenset(name for attributes in role_words().columns.values() for name in attributes)


def read_role(role: Role, profile: FileProfile, said: Named) -> RoleReading | None:
    """The role as the columns have it, however incomplete; None when nothing speaks for it."""
    match role:
        case "consent_events":
            return _consent(profile, said)
        case "support_tickets":
            return _tickets(profile, said)
        case "customer_events":
            return _events(profile, said)


def is_recognised(reading: RoleReading, profile: FileProfile) -> bool:
    """Whether the file speaks for the role by itself, without --feeds."""
    have = reading.columns.keys()
    if reading.role == "consent_events":
        own = any(_answering(answer.column) for answer in reading.answers)
        detailed = bool(have & {"purpose", "granted_at", "withdrawn_at"}) and (
            "channel" in have or "granted_at" in have or "withdrawn_at" in have or not _is_generic(reading)
        )
        return bool(reading.answers) and (own or detailed or _is_telling(reading))
    if reading.role == "support_tickets":
        names = {word for column in profile.columns for word in column.words} | set(
            words_of(profile.file.original.stem)
        )
        asked = {"subject", "status"} <= have and ("requester" in have or {"priority", "assignee", "agent"} & names)
        return "id" in have and bool(
            asked or (names & _TICKET_SIGNS and len(have & {"status", "subject", "created_at", "channel"}) >= 2)
        )
    told = [reading.columns[name] for name in ("name", "kind") if name in have]
    named_so = any({"event", "events", "action", "activity"} & set(column.words) for column in told)
    return "occurred_at" in have and (named_so or "kind" in have) and bool(told)


def _is_generic(reading: RoleReading) -> bool:
    column = reading.columns.get("answer")
    return column is not None and "_".join(column.words) in _GENERIC_ANSWERS


def _is_telling(reading: RoleReading) -> bool:
    """Whether words such as `subscribed` or `opted out`, rather than yes and no, are the answers."""
    told = {"subscribed", "unsubscribed", "opted_in", "opted_out", "opt_in", "opt_out", "granted", "withdrawn"}
    return any(plain_word(value) in told for answer in reading.answers for value, _ in answer.column.sample)


# --- Finding columns -----------------------------------------------------------------------------------------------


def _find(
    profile: FileProfile, role: Role, said: Named, fits: Mapping[str, Callable[[ColumnProfile], bool]]
) -> dict[str, ColumnProfile]:
    """The best column for each attribute, in the order of the word lists; no column serves two."""
    found = {name: said.columns[name] for name in role_words().columns[role] if name in said.columns}
    taken = {column.position for column in found.values()}
    for name, known in role_words().columns[role].items():
        if name in found:
            continue
        ranked = sorted(
            (rank, column.position)
            for column in profile.columns
            if column.position not in taken and (rank := _rank(column, known)) is not None
        )
        for _, position in ranked:
            column = profile.columns[position]
            if column.filled and fits.get(name, _any)(column):
                found[name] = column
                taken.add(position)
                break
    return found


def _rank(column: ColumnProfile, known: Sequence[str]) -> int | None:
    for extra, name in enumerate(_readings(column)):
        if name in known:
            return extra * 1000 + known.index(name)
    return None


def _readings(column: ColumnProfile) -> Iterator[str]:
    """The column's name, and what is left of it without the parts of a path that only hold others."""
    yield "_".join(column.words)
    steps = column.physical_name.split(".")
    while len(steps) > 1 and "_".join(words_of(steps[0])) in _WRAPPERS:
        steps = steps[1:]
        yield "_".join(word for step in steps for word in words_of(step))


def _any(_: ColumnProfile) -> bool:
    return True


def _is_time(column: ColumnProfile) -> bool:
    return column.dates is not None or column.type in ("date", "timestamp") or epoch_unit(column) is not None


def epoch_unit(column: ColumnProfile) -> EpochUnit | None:
    """In what the column counts time since 1970, when its numbers are moments of this century."""
    if column.type not in ("integer", "number") or not column.sample:
        return None
    whole = [value.strip().split(".")[0] for value, _ in column.sample]
    for unit, digits in _EPOCH:
        if all(len(value) == digits and value.isdigit() and "1" <= value[0] <= "4" for value in whole):
            return unit
    return None


def is_zoned(column: ColumnProfile) -> bool:
    """Whether the column's times say their zone, or are counted since 1970 in UTC."""
    if epoch_unit(column) is not None or (column.native_type or "").endswith("WITH TIME ZONE"):
        return True
    return any(re.search(r"\d{2}:\d{2}.*(Z|[+-]\d{2}:?\d{2})$", value.strip()) for value, _ in column.sample)


def _is_word(column: ColumnProfile) -> bool:
    return column.distinct <= _MOST_WORDS and column.type in ("string", "boolean", "integer") and column.dates is None


def _share(column: ColumnProfile, known: Callable[[str], bool]) -> float:
    total = sum(count for _, count in column.sample)
    return sum(count for value, count in column.sample if known(value)) / total if total else 0.0


def _is_answer(column: ColumnProfile) -> bool:
    words = role_words()
    return _is_word(column) and _share(column, lambda v: words.meaning("answers", v) is not None) >= _ENOUGH_ANSWERS


# --- Consent -------------------------------------------------------------------------------------------------------


def _consent(profile: FileProfile, said: Named) -> RoleReading | None:
    times = dict.fromkeys(_TIMES, _is_time)
    found = _find(
        profile,
        "consent_events",
        said,
        {"answer": _is_answer, "purpose": _is_topic, "channel": _is_word, "legal_basis": _is_word, **times},
    )
    direct = [column for column in profile.columns if _answering(column) and _is_answer(column)]
    answer = found.get("answer")
    about_rows = "answer" in said.columns or "purpose" in found or (len(direct) <= 1 and answer is not None)
    if answer is not None and about_rows:
        direct = [answer]
    elif direct:
        found.pop("answer", None)
    if not direct:
        if not {"purpose", "channel"} & found.keys() and not said.columns.keys() & {"purpose", "granted_at"}:
            return None
        return RoleReading("consent_events", found, missing=(_missing("answer", "whether it was granted"),))
    missing: list[str] = []
    answers = []
    for column in direct:
        about: dict[str, ColumnProfile | str] = {}
        for name, kind in (("purpose", "purposes"), ("channel", "channels")):
            told, for_all, beside = _by_name(column, kind), said.values.get(name), found.get(name)
            # A column of purposes says that each row is one answer; without it the channel beside may be a shop's.
            by_row = "purpose" in found or answer is column or name in said.columns
            one = beside or for_all or told if by_row else told or for_all
            if one is None:
                missing.append(_missing(name, f"what `{column.physical_name}` is about"))
            about[name] = one or ""
        answers.append(Answer(column, _answering(column) == "refusing", about["purpose"], about["channel"]))
    constants = {name: value for name, value in said.values.items() if name == "legal_basis"}
    return RoleReading("consent_events", found, tuple(answers), constants, tuple(dict.fromkeys(missing)))


def _is_topic(column: ColumnProfile) -> bool:
    return column.distinct <= _MOST_WORDS and column.type == "string" and column.dates is None


def _answering(column: ColumnProfile) -> Literal["granting", "refusing"] | None:
    """Whether the name says that the column is an answer itself."""
    words = role_words()
    if column.words and column.words[-1] in words.details:
        return None
    text = "_" + "_".join(column.words) + "_"
    granting = any(f"_{word}_" in text for word in words.granting)
    if any(f"_{word}_" in text for word in words.refusing):
        # `no` and `out` are refusals only of what is asked for: a purpose, a channel, a consent.
        about = any(_by_name(column, kind) for kind in ("purposes", "channels"))
        return "refusing" if granting or about or any(f"_{word}_" in text for word in _OF_ITSELF) else None
    return "granting" if granting else None


def _by_name(column: ColumnProfile, kind: str) -> str | None:
    """The purpose or channel that the words of a column's name tell."""
    for length in (3, 2, 1):
        for start in range(len(column.words) - length + 1):
            meaning = role_words().meaning(kind, "_".join(column.words[start : start + length]))
            if meaning is not None:
                return meaning
    return None


# --- Tickets and events --------------------------------------------------------------------------------------------


def _tickets(profile: FileProfile, said: Named) -> RoleReading | None:
    found = _find(
        profile,
        "support_tickets",
        said,
        {"created_at": _is_time, "updated_at": _is_time, "status": _is_word, "channel": _is_word,
         "requester": lambda c: c.distinct > 1 or c.rows == 1},
    )  # fmt: skip
    if "@" in "".join(value for value, _ in found["requester"].sample[:5]) if "requester" in found else False:
        # An e-mail address or a name stands where an id could: it is the person's attribute, not their key.
        found.pop("requester")
    elif "requester" in found and _share(found["requester"], lambda value: " " in value.strip()) > 0.3:
        found.pop("requester")
    if not found:
        return None
    missing = [
        _missing(name, what)
        for name, what in (("id", "which ticket it is"), ("created_at", "when it was opened"), ("status", "its state"))
        if name not in found
    ]
    return RoleReading("support_tickets", found, missing=tuple(missing))


def _events(profile: FileProfile, said: Named) -> RoleReading | None:
    words = role_words()

    def is_call(column: ColumnProfile) -> bool:
        return _is_word(column) and _share(column, lambda v: plain_word(v) in words.event_calls) >= _ENOUGH_ANSWERS

    def is_amount(column: ColumnProfile) -> bool:
        return column.type in ("number", "integer") and epoch_unit(column) is None

    found = _find(
        profile,
        "customer_events",
        said,
        {"occurred_at": _is_time, "kind": is_call, "platform": _is_word, "amount": is_amount,
         "name": lambda c: c.type == "string" and c.dates is None, "currency": lambda c: c.longest == 3},
    )  # fmt: skip
    if "name" not in found:
        typed = next((c for c in profile.columns if c.words in (("event", "type"), ("type",)) and _is_topic(c)), None)
        if typed is not None and found.get("kind") is not typed:
            found["name"] = typed
    if not found.keys() & {"name", "kind", "occurred_at"}:
        return None
    missing = []
    if not found.keys() & {"name", "kind"}:
        missing.append(_missing("name", "what happened"))
    if "occurred_at" not in found:
        missing.append(_missing("occurred_at", "when it happened"))
    constants = {name: value for name, value in said.values.items() if name == "currency"}
    return RoleReading("customer_events", found, (), constants, tuple(missing))


def _missing(attribute: str, what: str) -> str:
    known = f"name it with --map {attribute}=COLUMN"
    if attribute in _FOR_ALL:
        known += f", or say it for all rows with --set {attribute}={_FOR_ALL[attribute]}"
    return f"no column tells the {attribute.replace('_', ' ')} ({what}): {known}"

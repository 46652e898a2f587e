"""What each column means: the attribute that it feeds, by its name and by its values, with the evidence.

Belongs here: weighing names against values, and choosing among columns that claim one attribute. Does not belong here:
keys and roles, which are of the whole file (see `plan`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from orchestration.scaffold.evidence import ENOUGH, ENOUGH_NAMES, Looks
from orchestration.scaffold.profile import ColumnProfile, FileProfile
from orchestration.scaffold.vocabulary import vocabulary

Confidence = Literal["sure", "likely", "guess", "none"]

# Attributes of an order; they mean something only where the file holds orders.
ORDER_SEMANTICS = ("order_id", "ordered_at", "amount", "currency", "items", "status", "channel")
IDENTIFIERS = ("user_id", "loyalty_number", "device_id", "anonymous_id", "social_handle")
# Values of these speak for themselves: a column is proposed whatever its name.
_BY_VALUES_ALONE = (
    "email", "phone", "postcode", "gender", "country", "birth_date", "full_name", "given_name", "family_name",
    "currency",
)  # fmt: skip


@dataclass(frozen=True)
class Proposal:
    """A column with what it is taken for; `semantic` None keeps it in `raw` only."""

    column: ColumnProfile
    semantic: str | None
    confidence: Confidence
    evidence: str
    score: float = 0.0
    flag: str | None = None
    """What a person should look at."""


def propose(profile: FileProfile) -> tuple[Proposal, ...]:
    """For each column of the file what it feeds, one column for one attribute."""
    looks = [Looks(column) for column in profile.columns]
    claims = _settle_names([claim for look in looks for claim in _claims(look)], looks)
    chosen: dict[str, Proposal] = {}
    taken: dict[int, Proposal] = {}
    rivals: dict[int, str] = {}
    for claim in sorted(claims, key=lambda c: (-c.score, -c.column.fill, c.column.position)):
        if claim.semantic is None or claim.column.position in taken:
            continue
        rival = chosen.get(claim.semantic)
        if rival is None:
            chosen[claim.semantic] = taken[claim.column.position] = claim
        elif claim.confidence != "guess":
            rivals.setdefault(
                claim.column.position,
                f"also looks like {claim.semantic}; `{rival.column.physical_name}` was taken. Swap them in the staging "
                "model if this one is the better",
            )
    return tuple(taken.get(look.column.position) or _unmapped(look, rivals.get(look.column.position)) for look in looks)


def by_semantic(proposals: Iterable[Proposal]) -> dict[str, Proposal]:
    """The proposals by the attribute that they feed."""
    return {proposal.semantic: proposal for proposal in proposals if proposal.semantic is not None}


def _claims(looks: Looks) -> list[Proposal]:
    named = _by_name(looks)
    if named is not None and named.confidence != "none":
        return [named]
    by_values = [] if vocabulary().foreign(looks.column.words) else _by_values(looks)
    if not by_values and named is not None:
        return [named]
    return by_values


def _by_name(looks: Looks) -> Proposal | None:
    column = looks.column
    match = vocabulary().match(column.words)
    if match is None:
        return None
    semantic, note = match.semantic, ""
    if semantic == "street_extra" and looks.units >= 0.5:
        semantic, note = "unit", f", {100 * looks.units:.0f} % of values name a flat or a floor"
    if (
        semantic == "birth_date"
        and looks.of("birth_date").verdict == "against"
        and looks.of("birth_year").verdict == "for"
    ):
        semantic = "birth_year"
    look = looks.of(semantic)
    reason = f"{match.reason}{note}" + (f"; {look.reason}" if look.reason else "")
    if look.verdict == "against":
        flag = f"named like {semantic}, but {look.reason}: not mapped"
        return Proposal(column, None, "none", reason, flag=flag)
    score = match.strength + (0.3 if look.verdict == "for" else 0.0)
    sure = look.verdict == "for" or match.strength == 1.0
    return Proposal(column, semantic, "sure" if sure else "likely", reason, score)


def _by_values(looks: Looks) -> list[Proposal]:
    """What the values alone suggest: at most one claim, a guess unless the look is unmistakable."""
    column = looks.column
    found: list[tuple[str, float, str, Confidence]] = []
    if column.type == "object" or column.filled < 3:
        return []
    if looks.emails >= ENOUGH:
        found.append(("email", 0.6, looks.of("email").reason, "likely"))
    elif looks.marked_phones >= ENOUGH and column.distinct > 0.3 * column.filled and column.native_type is None:
        found.append(("phone", 0.5, looks.of("phone").reason, "likely"))
    elif looks.sure_postcodes >= ENOUGH:
        found.append(("postcode", 0.5, looks.of("postcode").reason, "likely"))
    elif looks.genders >= 0.95 and column.distinct <= 6 and looks.share(lambda value: len(value) > 1) > 0.5:
        found.append(("gender", 0.4, looks.of("gender").reason, "guess"))
    elif looks.share(lambda value: value.upper() in vocabulary().currencies) >= 0.95 and column.longest == 3:
        found.append(("currency", 0.4, "values are currency codes", "likely"))
    elif looks.countries >= 0.95 and looks.share(lambda value: len(value) > 2) > 0.5:
        found.append(("country", 0.4, looks.of("country").reason, "guess"))
    elif looks.full_names >= 0.5:
        found.append(("full_name", 0.4, looks.of("full_name").reason, "guess"))
    elif looks.digits < 0.05 and looks.several_words < 0.4 and column.distinct > 20:
        given, family = looks.given_names, looks.family_names
        # Two lists of names overlap: the larger share decides, and it has to be large where no name of a column helps.
        if given >= max(2 * ENOUGH_NAMES, family):
            found.append(("given_name", 0.35, looks.of("given_name").reason, "guess"))
        elif family >= 2 * ENOUGH_NAMES:
            found.append(("family_name", 0.35, looks.of("family_name").reason, "guess"))
    elif _looks_like_births(column):
        found.append(("birth_date", 0.3, "dates that spread over a lifetime and end years ago", "guess"))
    return [
        Proposal(
            column, semantic, confidence, f"by its values: {reason}", score,
            flag=f"taken for {semantic} by its values alone; its name does not say so",
        )
        for semantic, score, reason, confidence in found
        if semantic in _BY_VALUES_ALONE
    ]  # fmt: skip


def _looks_like_births(column: ColumnProfile) -> bool:
    """Dates of which the middle half spans more than a decade and hardly any lie in the last ten years of the file."""
    if column.dates is None or column.dates.kind != "date" or column.distinct < 20:
        return False
    years = sorted(int(digits) for value, _ in column.sample if (digits := _year_of(value)))
    if len(years) < 20:
        return False
    quarter = len(years) // 4
    return years[-quarter - 1] - years[quarter] >= 12 and years[len(years) // 2] < 2008 and years[0] > 1880


def _year_of(value: str) -> str | None:
    import re

    match = re.search(r"(?<!\d)(1[89]\d\d|20\d\d)(?!\d)", value) or re.match(r"(1[89]\d\d|20\d\d)\d{4}$", value.strip())
    return match.group(1) if match else None


def _settle_names(claims: list[Proposal], all_looks: Sequence[Looks]) -> list[Proposal]:
    """`Name` beside `Vorname` is the family name, `nom` alone may be the whole name: columns of names explain each other."""
    claimed = {claim.semantic for claim in claims}
    settled = []
    for claim in claims:
        looks = all_looks[claim.column.position]
        new: str | None = None
        if claim.semantic == "full_name" and looks.several_words < 0.3:
            if "given_name" in claimed and "family_name" not in claimed:
                new = "family_name"
            elif "family_name" in claimed and "given_name" not in claimed:
                new = "given_name"
        elif (claim.semantic == "given_name" and "family_name" not in claimed and looks.several_words > 0.7) or (
            claim.semantic == "family_name" and "given_name" not in claimed and looks.several_words > 0.7
        ):
            new = "full_name"
        if new is not None and new not in claimed:
            reason = f"{claim.evidence}; with the other columns of names it is the {new.replace('_', ' ')}"
            claim = replace(claim, semantic=new, evidence=reason, flag=f"check that it is the {new.replace('_', ' ')}")
        settled.append(claim)
    return settled


def _unmapped(looks: Looks, rival: str | None) -> Proposal:
    column = looks.column
    named = _by_name(looks)
    if named is not None and named.confidence == "none":
        return named
    other = vocabulary().foreign(column.words)
    reason = f"about `{other}`, not about the person" if other else column.type_evidence
    if rival is not None:
        reason = named.evidence if named is not None else reason
    return Proposal(column, None, "none", reason, flag=rival)

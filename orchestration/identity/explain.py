"""Why two records are, or are not, one customer: the evidence of a pair, piece by piece.

Belongs here: weighing any pair with the model in use and naming each piece of evidence in words. Does not belong here:
how it is shown (`orchestration.display.review`, `explain_page`), customers of many records (see `explain_customer`).

The weight of a pair is log2 of the odds that both records are one person. It adds up: the prior (how rare it is that two
records are one person), one weight per comparison (log2 m/u of the level that the pair reached, Fellegi and Sunter
1969), and a correction for evidence that travels together: the model explains a pair by one of several kinds (one
person, one home, one building, ...), and what agrees within a kind anyway is not counted as if each piece stood alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestration.identity.errors import UnknownIdError
from orchestration.identity.state import CUSTOMER_IDS, ID_EVENTS, JUDGEMENTS, MEMBERSHIPS, ensure_tables
from orchestration.identity.weighing import weigh

if TYPE_CHECKING:
    import duckdb

    from orchestration.linkage import LinkageModel

RECORDS = "cleansing.standardised_records"
EDGES = "resolution.edges"
# What people see of a record, in this order. Other columns say nothing about who it is.
ATTRIBUTES = (
    "given_name", "middle_name", "family_name", "birth_date", "gender", "email", "phone", "street", "unit", "city",
    "region", "postcode", "country", "national_id",
)  # fmt: skip
_NEAR_MISSES = 3
# A share of common letters at which two values look like spellings of one: Joe and Joseph 0.67, one digit of ten 0.9.
_ALIKE = 0.65


@dataclass(frozen=True)
class Evidence:
    """One step of the waterfall."""

    name: str
    outcome: str
    """The level that the pair reached, or why the comparison says nothing."""
    bits: float

    @property
    def verdict(self) -> str:
        """What that says, in plain words."""
        if abs(self.bits) < 0.5:
            return "says little"
        strength = "strongly " if abs(self.bits) >= 6 else "" if abs(self.bits) >= 2 else "slightly "
        return f"{strength}{'for' if self.bits > 0 else 'against'} one person"


@dataclass(frozen=True)
class PairExplanation:
    """Everything that is known about a pair."""

    record_id_l: str
    record_id_r: str
    values: Mapping[str, tuple[str | None, str | None]]
    """Attribute to the standardised values of both records; attributes that neither fills are left out."""
    model_version: str
    prior: float
    evidence: tuple[Evidence, ...]
    """One per comparison, in the order of the model; missing ones have 0 bits."""
    correction: float
    """What the kinds take away or add to the sum of the single pieces."""
    kinds: tuple[tuple[str, float], ...]
    """The kinds of pairs that explain this one best, with their probabilities, the likeliest first."""
    weight: float
    probability: float
    threshold: float
    judgement: tuple[int, str] | None
    """Number and verdict of the living judgement that the last run applied."""
    customer_l: str | None
    customer_r: str | None
    notes: tuple[str, ...]

    @property
    def conclusion(self) -> str:
        """One sentence."""
        side = "above" if self.weight >= self.threshold else "below"
        told = f"The weight of {self.weight:+.1f} bits ({chance(self.probability)}) is {side} the threshold of {self.threshold:+.1f}"
        same = self.customer_l is not None and self.customer_l == self.customer_r
        if self.judgement is not None and self.judgement[1] != "unsure":
            said = "one person" if self.judgement[1] == "must_link" else "different people"
            told += f"; a person judged them {said} (judgement {self.judgement[0]}), which decides"
        elif same and side == "below":
            told += "; other records join the two, and together the evidence is for one person"
        elif not same and side == "above" and self.customer_l is not None:
            told += "; other records of the two customers speak against it, and together the evidence is against one person (or the two contradict each other: two first names with two birth dates)"
        if self.customer_l is None or self.customer_r is None:
            return f"{told}. No run has given both a customer yet."
        return f"{told}. They are {'one customer, ' + self.customer_l if same else 'two customers'}."


def chance(probability: float) -> str:
    """A probability for people: near 0 and 1 as odds."""
    if probability > 0.999:
        return "more than 999 in 1,000"
    if probability < 0.001:
        return "less than 1 in 1,000"
    return f"{probability:.1%}"


_CODES = ("gender", "country")


def agreement(attribute: str, one: str | None, other: str | None) -> str:
    """How two values look side by side: `same` (case, blanks and signs apart), `alike`, `differs`, or `` when one is missing.

    For the eye only: what agreement is worth is the model's to say. Codes are never alike: male is no slip for female.
    """
    from difflib import SequenceMatcher

    if one is None or other is None:
        return ""
    left, right = ("".join(sign for sign in text.casefold() if sign.isalnum()) for text in (one, other))
    if left == right:
        return "same"
    if attribute in _CODES:
        return "differs"
    return "alike" if SequenceMatcher(None, left, right, autojunk=False).ratio() >= _ALIKE else "differs"


def explain_pair(
    con: "duckdb.DuckDBPyConnection", model: "LinkageModel", record_a: str, record_b: str
) -> PairExplanation:
    """Weigh a pair of records with the model in use, whether or not it has an edge, and name its evidence.

    Raises UnknownIdError: one of the records does not exist; the nearest ids are named.
    """
    left, right = sorted((record_a, record_b))
    values = values_of(con, left, right)
    if left == right:
        raise UnknownIdError(f"{left} is one record: name two different ones")
    weighed = weigh(con, model, RECORDS, EDGES, left, right)
    return _explanation(con, model, left, right, values, weighed.outcomes, weighed.weight)


def _explanation(
    con: "duckdb.DuckDBPyConnection",
    model: "LinkageModel",
    left: str,
    right: str,
    values: Mapping[str, tuple[str | None, str | None]],
    outcomes: tuple[int, ...],
    weight: float,
) -> PairExplanation:
    import numpy as np

    mixture = model.mixture
    same = np.array([kind.same for kind in mixture.kinds])
    prior = float(np.log2(mixture.share[same].sum() / mixture.share[~same].sum()))
    evidence = []
    for comparison, weights, outcome in zip(model.comparisons, model.level_weights(), outcomes, strict=True):
        level = comparison.level_of(outcome)
        evidence.append(
            Evidence(
                comparison.name.removeprefix("extra_"),
                (level.name if level.when else "differs") if level is not None else _unsaid(comparison.name, values),
                weights[outcome] if level is not None else 0.0,
            )
        )
    pattern = np.array([outcomes], dtype=np.int64).reshape(1, len(outcomes))
    by_kinds = float(mixture.weight(pattern)[0])
    posterior = mixture.posterior(pattern)[0]
    kinds = sorted(zip((kind.name for kind in mixture.kinds), posterior, strict=True), key=lambda each: -each[1])
    notes = []
    if weight > by_kinds + 1e-6:
        notes.append("The two records say exactly the same and say enough to be one person delivered twice.")
    (judgement, customers) = _said(con, left, right)
    return PairExplanation(
        record_id_l=left,
        record_id_r=right,
        values=values,
        model_version=model.version,
        prior=prior,
        evidence=tuple(evidence),
        correction=by_kinds - prior - sum(each.bits for each in evidence),
        kinds=tuple((name, float(share)) for name, share in kinds[:3] if share >= 0.01),
        weight=weight,
        probability=float(1 / (1 + 2**-weight)),
        threshold=model.threshold_weight,
        judgement=judgement,
        customer_l=customers[0],
        customer_r=customers[1],
        notes=tuple(notes),
    )


def _unsaid(comparison: str, values: Mapping[str, tuple[str | None, str | None]]) -> str:
    """Why a comparison says nothing about the pair."""
    pair = values.get(comparison)
    if pair is not None and all(pair):
        return "not counted (another comparison says it, or too many people share the value)"
    return "missing in one of the records" if pair is not None else "missing in both records"


def _said(
    con: "duckdb.DuckDBPyConnection", left: str, right: str
) -> tuple[tuple[int, str] | None, tuple[str | None, str | None]]:
    """The judgement that the last run knew, and the customers of both records."""
    ensure_tables(con)
    judged = con.execute(
        f"select judgement_id, verdict from {JUDGEMENTS} where record_id_l = ? and record_id_r = ?", [left, right]
    ).fetchall()
    customers = dict(
        con.execute(
            f"select record_id, customer_id from {MEMBERSHIPS} where record_id in (?, ?)", [left, right]
        ).fetchall()
    )
    return ((int(judged[0][0]), str(judged[0][1])) if judged else None, (customers.get(left), customers.get(right)))


def values_of(con: "duckdb.DuckDBPyConnection", left: str, right: str) -> dict[str, tuple[str | None, str | None]]:
    """The standardised values of two records by attribute, those that either fills. Raises UnknownIdError."""
    columns = ", ".join(f"{name}::varchar" for name in ATTRIBUTES)
    found = {}
    for record in (left, right):
        rows = con.execute(f"select {columns} from {RECORDS} where record_id = ?", [record]).fetchall()
        if not rows:
            raise UnknownIdError(f"there is no record {record!r}. {_nearest(con, RECORDS, 'record_id', record)}")
        found[record] = rows[0]
    return {
        name: (found[left][position], found[right][position])
        for position, name in enumerate(ATTRIBUTES)
        if found[left][position] is not None or found[right][position] is not None
    }


def living_customer(con: "duckdb.DuckDBPyConnection", customer_id: str) -> str:
    """The id itself when it lives.

    A record's id stands for its customer.

    Raises UnknownIdError: it is retired (says where it leads) or was never given (names the nearest).
    """
    ensure_tables(con)
    holder = con.execute(f"select customer_id from {MEMBERSHIPS} where record_id = ?", [customer_id]).fetchall()
    if holder:
        return str(holder[0][0])
    rows = con.execute(
        f"select retired_on, cause, current_customer_id from {CUSTOMER_IDS} where customer_id = ?", [customer_id]
    ).fetchall()
    if not rows:
        is_record = ":" in customer_id
        table, column = (MEMBERSHIPS, "record_id") if is_record else (CUSTOMER_IDS, "customer_id")
        raise UnknownIdError(f"there is no customer {customer_id!r}. {_nearest(con, table, column, customer_id)}")
    retired_on, cause, current = rows[0]
    if retired_on is None:
        return customer_id
    kind = con.execute(
        f"select kind from {ID_EVENTS} where customer_id = ? and kind in ('merged', 'retired')", [customer_id]
    ).fetchall()
    what = "merged into another" if kind and kind[0][0] == "merged" else "retired"
    leads = f"It leads to {current}: kindred explain {current}" if current else "Nobody is left of it."
    raise UnknownIdError(f"{customer_id} was {what} on {retired_on} (cause: {cause}). {leads}")


def _nearest(con: "duckdb.DuckDBPyConnection", table: str, column: str, wanted: str) -> str:
    rows = con.execute(
        f"""
        select {column} from {table}
        order by jaro_winkler_similarity(lower({column}), lower(?)) desc, {column} limit {_NEAR_MISSES}
        """,
        [wanted],
    ).fetchall()
    return (
        f"The nearest are: {', '.join(str(row[0]) for row in rows)}." if rows else "There are none yet: `kindred run`."
    )


def as_words(explanation: PairExplanation) -> list[str]:
    """The waterfall as lines of plain text, from the prior to the conclusion."""
    steps: list[tuple[str, str, float]] = [
        ("before any evidence", "two records are seldom one person", explanation.prior),
        *((each.name, f"{each.outcome}: {each.verdict}", each.bits) for each in explanation.evidence if each.bits),
        ("evidence that travels together", _kinds(explanation), explanation.correction),
    ]
    lines = [f"{bits:+6.1f}  {name.replace('_', ' ')}: {words}" for name, words, bits in steps]
    lines.append(f"{explanation.weight:+6.1f}  in all")
    silent: dict[str, list[str]] = {}
    for each in explanation.evidence:
        if not each.bits:
            silent.setdefault(each.outcome, []).append(each.name.replace("_", " "))
    lines += [f"Says nothing, {why}: {', '.join(names)}" for why, names in silent.items()]
    return [*lines, *explanation.notes, explanation.conclusion]


def _kinds(explanation: PairExplanation) -> str:
    likely = ", ".join(f"{name} {chance(share)}" for name, share in explanation.kinds)
    return f"counted once. Such a pair is most likely: {likely}"


def as_rows(explanation: PairExplanation) -> list[dict[str, Any]]:
    """The waterfall as rows of name, words and bits, for whoever draws it."""
    return [
        {"name": "Before any evidence", "words": "two records are seldom one person", "bits": explanation.prior},
        *(
            {"name": each.name.replace("_", " "), "words": f"{each.outcome}: {each.verdict}", "bits": each.bits}
            for each in explanation.evidence
            if each.bits
        ),
        {
            "name": "Evidence that travels together",
            "words": _kinds(explanation),
            "bits": explanation.correction,
        },
    ]

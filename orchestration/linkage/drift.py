"""How far the records have moved from those that a model was trained on.

Belongs here: the fingerprint of a table of records, and comparing two of them by the limits of `data/drift.yaml`. Does
not belong here: training, or deciding what to do about drift.

A fingerprint holds no value of a person: counts, fill rates, the shares of thirty-two buckets that values fall into by
their hash, and the shares of the model's frequency classes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.linkage.errors import ModelError
from orchestration.linkage.features import ATTRIBUTES, FEATURES
from orchestration.linkage.sql import columns_of, quoted, scalar_int

if TYPE_CHECKING:
    import duckdb

    from orchestration.linkage.model import LinkageModel

RULES_FILE = Path(__file__).parent / "data" / "drift.yaml"
UNSEEN = "unseen"
"""The class of values that the model's frequency tables do not hold."""

_SCRATCH = "kindred_fingerprint"
_BUCKETS = 32
# Class shares of more records than these change nothing that a limit could see.
_SAMPLED = 20_000
# Records of one person, and of one home, share values: chance moves buckets as if there were so many fewer records.
_CLUMPING = 4.0
# A share of nothing has no logarithm.
_LEAST_SHARE = 1e-4


@dataclass(frozen=True)
class FieldPrint:
    """One attribute: how often it is filled, by how many values, and how these spread."""

    fill_rate: float
    distinct: int
    """Approximately (HyperLogLog)."""
    buckets: tuple[float, ...]
    """Shares of the filled records by hash of the value; empty when nothing is filled."""


@dataclass(frozen=True)
class Fingerprint:
    """What a table of records looked like."""

    records: int
    as_of: str | None
    """The newest load date, as YYYY-MM-DD."""
    fields: Mapping[str, FieldPrint]
    class_shares: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Per feature that the model splits: share of the filled records per frequency class, and `unseen`."""

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        text = json.dumps(asdict(self), indent=1, sort_keys=True)
        path.write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Fingerprint | None:
        """Read it, or None when the model is older than fingerprints. Raises ModelError when it is broken."""
        if not path.is_file():
            return None
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            fields = {
                name: FieldPrint(entry["fill_rate"], entry["distinct"], tuple(entry["buckets"]))
                for name, entry in content["fields"].items()
            }
            return cls(content["records"], content["as_of"], fields, content["class_shares"])
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{path}: not a data fingerprint ({error}); train a new model to get one") from error


@dataclass(frozen=True)
class Drift:
    """One way in which records have moved past a limit."""

    attribute: str
    kind: str
    """`fill_rate_change`, `population_stability_index`, `unseen_values_change` or `records_factor`."""
    value: float
    limit: float
    words: str
    """For people, with before and now."""


@cache
def limits() -> dict[str, float]:
    """The limits of `data/drift.yaml` by kind."""
    import yaml

    document: dict[str, Any] = yaml.safe_load(RULES_FILE.read_text(encoding="utf-8"))
    return {kind: float(entry["limit"]) for kind, entry in document.items()}


def take_fingerprint(con: duckdb.DuckDBPyConnection, records: str, model: LinkageModel) -> Fingerprint:
    """The fingerprint of a table of standardised records, with the shares of a model's frequency classes.

    Two scans of the table; the class shares come from a sample of about 20,000 records, chosen by the hash of their id.

    Raises LinkageError when `record_id` is missing, null or repeated in the sample.
    """
    columns = columns_of(con, records)
    names = [name for name in ATTRIBUTES if name in columns]
    total = scalar_int(con, f"select count(*) from {records}")
    newest = (
        con.execute(f"select max(load_date)::date::varchar from {records}").fetchall()
        if "load_date" in columns
        else [(None,)]
    )
    return Fingerprint(
        records=total,
        as_of=newest[0][0],
        fields=_fields(con, records, names, total),
        class_shares=_class_shares(con, records, total, model),
    )


def _fields(con: duckdb.DuckDBPyConnection, records: str, names: list[str], total: int) -> dict[str, FieldPrint]:
    """All attributes by two queries: of a small table, queries take longer than rows."""
    if not names:
        return {}
    measures = ", ".join(f"count({quoted(name)}), approx_count_distinct({quoted(name)})" for name in names)
    measured = con.execute(f"select {measures} from {records}").fetchall()[0]
    texts = ", ".join(f"lower({quoted(name)}::varchar) as {quoted(name)}" for name in names)
    counted = con.execute(
        f"""
        select attribute, (md5_number(value) % {_BUCKETS})::integer as bucket, count(*) as records
        from (unpivot (select {texts} from {records}) on columns(*) into name attribute value value)
        group by all
        """
    ).fetchall()
    shares = {name: [0.0] * _BUCKETS for name in names}
    filled = dict(zip(names, measured[::2], strict=True))
    for name, bucket, count in counted:
        shares[name][bucket] = round(count / filled[name], 6)
    return {
        name: FieldPrint(
            round(filled[name] / total, 6) if total else 0.0, int(distinct), tuple(shares[name]) if filled[name] else ()
        )
        for name, distinct in zip(names, measured[1::2], strict=True)
    }


def _class_shares(
    con: duckdb.DuckDBPyConnection, records: str, total: int, model: LinkageModel
) -> dict[str, dict[str, float]]:
    from orchestration.linkage.comparisons import class_column
    from orchestration.linkage.scoring import prepared

    if not total or not model.classes.last:
        return {}
    modulus = max(1, round(total / _SAMPLED))
    con.execute(f"attach ':memory:' as {_SCRATCH}")
    try:
        sample = f"{_SCRATCH}.main.sample"
        con.execute(f"create table {sample} as select * from {records} where md5_number(record_id) % {modulus} = 0")
        with prepared(con, model, sample) as features:
            return {
                feature: _shares(features.con, feature, class_column(feature), last)
                for feature, last in sorted(model.classes.last.items())
            }
    finally:
        con.execute(f"detach {_SCRATCH}")


def _shares(work: duckdb.DuckDBPyConnection, feature: str, class_name: str, last: int) -> dict[str, float]:
    counted = work.execute(
        f"select {quoted(class_name)}, count(*) from {FEATURES} "
        f"where {quoted(feature)} is not null group by 1 order by 1"
    ).fetchall()
    filled = sum(count for _, count in counted)
    return {UNSEEN if number == last else str(number): round(count / filled, 6) for number, count in counted}


def find_drift(trained: Fingerprint, now: Fingerprint) -> list[Drift]:
    """Where the records have moved past a limit, the furthest first."""
    found = [*_of_size(trained, now)]
    for name in sorted(set(trained.fields) | set(now.fields)):
        nothing = FieldPrint(0.0, 0, ())
        before, after = trained.fields.get(name, nothing), now.fields.get(name, nothing)
        found += _of_fill(name, before, after)
        found += _of_values(name, before, after, trained.records, now.records)
    for name in sorted(set(trained.class_shares) & set(now.class_shares)):
        found += _of_classes(name, trained.class_shares[name], now.class_shares[name])
    return sorted(found, key=lambda drift: (-drift.value / drift.limit, drift.attribute, drift.kind))


def _of_size(trained: Fingerprint, now: Fingerprint) -> list[Drift]:
    limit = limits()["records_factor"]
    if not trained.records or not now.records:
        return []
    factor = max(now.records / trained.records, trained.records / now.records)
    if factor <= limit:
        return []
    words = f"the model was trained on {trained.records:,} records, now there are {now.records:,}"
    return [Drift("records", "records_factor", factor, limit, words)]


def _of_fill(name: str, before: FieldPrint, after: FieldPrint) -> list[Drift]:
    limit = limits()["fill_rate_change"]
    change = abs(after.fill_rate - before.fill_rate)
    if change <= limit:
        return []
    words = f"{name} was filled in {before.fill_rate:.0%} of the records, now in {after.fill_rate:.0%}"
    return [Drift(name, "fill_rate_change", change, limit, words)]


def _of_values(name: str, before: FieldPrint, after: FieldPrint, trained: int, now: int) -> list[Drift]:
    if not before.buckets or not after.buckets:
        return []
    filled = (before.fill_rate * trained, after.fill_rate * now)
    chance = _CLUMPING * (_BUCKETS - 1) * (1 / filled[0] + 1 / filled[1])
    limit = limits()["population_stability_index"] + chance
    index = stability_index(before.buckets, after.buckets)
    if index <= limit:
        return []
    words = (
        f"the values of {name} have shifted: population stability index {index:.2f}, limit {limit:.2f} "
        f"({before.distinct:,} different values then, {after.distinct:,} now)"
    )
    return [Drift(name, "population_stability_index", index, limit, words)]


def _of_classes(name: str, before: Mapping[str, float], after: Mapping[str, float]) -> list[Drift]:
    limit = limits()["unseen_values_change"]
    change = after.get(UNSEEN, 0.0) - before.get(UNSEEN, 0.0)
    if change <= limit:
        return []
    words = (
        f"{after.get(UNSEEN, 0.0):.0%} of the records have a {name} outside the model's frequency table, "
        f"{before.get(UNSEEN, 0.0):.0%} when it was trained"
    )
    return [Drift(name, "unseen_values_change", change, limit, words)]


def stability_index(before: tuple[float, ...], after: tuple[float, ...]) -> float:
    """Population stability index of two distributions over the same buckets: sum of (q - p) ln(q / p)."""
    index = 0.0
    for p, q in zip(before, after, strict=True):
        p, q = max(p, _LEAST_SHARE), max(q, _LEAST_SHARE)
        index += (q - p) * math.log(q / p)
    return index

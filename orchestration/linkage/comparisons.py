"""Comparisons: what agreement between two records is measured, as levels of SQL.

What belongs here: reading `data/comparisons.yaml`, choosing the comparisons that a table's
features allow, frequency classes of values, and the SQL of the levels. What does not: what a
level is worth (mixture.py), and which pairs are compared (blocking.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from orchestration.linkage.errors import ModelError
from orchestration.linkage.features import CATEGORY_PREFIX, FEATURES, IDENTIFIER_PREFIX
from orchestration.linkage.forms import DATA
from orchestration.linkage.sql import columns_of, quoted

if TYPE_CHECKING:
    import duckdb

RULES_FILE = DATA / "comparisons.yaml"
FREQUENCIES = "value_classes"

# Frequency classes: 0 holds values of at least 1/32 of the records, each next one a quarter of
# that; rarer values than the last class are all alike.
_COMMONEST_BITS = 5
_CLASS_BITS = 2
_LAST_CLASS = 5
_HANDFUL = 20
_CORE = frozenset(("given", "family", "organisation", "birth", "email", "national_id"))
_CODED = frozenset(("email", "phone", "national_id"))


@dataclass(frozen=True)
class Level:
    """One outcome of a comparison; `when` is empty for the last one, `else`."""

    name: str
    when: str
    m: float


@dataclass(frozen=True)
class Comparison:
    """One comparison. `levels` run from the strongest agreement to `else`.

    A pair's outcome is a number in Splink's manner: -1 when a side is missing, 0 for `else`,
    `len(levels) - 1` for the first level. `trust` is how many pairs' worth of say the documented
    `m` keeps for each matching pair seen; a pair for which `unless` (SQL) is true skips it.
    """

    name: str
    present: str
    levels: tuple[Level, ...]
    trust: float = 0.1
    unless: str = ""
    u_else: float = 0.985

    def level_of(self, outcome: int) -> Level | None:
        """The level with this outcome number, or None for -1 (missing)."""
        return None if outcome < 0 else self.levels[len(self.levels) - 1 - outcome]

    def outcome_sql(self) -> str:
        """SQL: the outcome number over features with the suffixes _l and _r."""
        branches = [f"when {self.missing_sql()} then -1"]
        top = len(self.levels) - 1
        for position, level in enumerate(self.levels):
            if level.when:
                branches.append(f"when {level.when} then {top - position}")
        return f"case {' '.join(branches)} else 0 end"

    def missing_sql(self) -> str:
        """SQL: true when a side lacks the feature."""
        column = quoted(self.present)
        left, right = column[:-1] + '_l"', column[:-1] + '_r"'
        missing = f"{left} is null or {right} is null"
        if self.unless:
            missing += f" or ({self.unless})"
        return missing


@dataclass(frozen=True)
class ValueClasses:
    """Frequency classes of the values of split features, pinned with the model.

    `classes[feature]` maps the values that are more frequent than the last class to their
    class; every other value, seen in training or not, belongs to `last[feature]`.
    """

    classes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    last: Mapping[str, int] = field(default_factory=dict)


@cache
def _document() -> dict[str, Any]:
    import yaml

    document: dict[str, Any] = yaml.safe_load(RULES_FILE.read_text(encoding="utf-8"))
    return document


def class_column(feature: str) -> str:
    """The name of the feature that holds the frequency class of another."""
    return f"{feature}_class"


def _specifications(extras: Sequence[str]) -> list[dict[str, Any]]:
    specifications = list(_document()["comparisons"])
    for column in extras:
        shape = _document()[_shape_of(column)]
        levels = [
            {key: value.format(column=column) if isinstance(value, str) else value
             for key, value in level.items()}
            for level in shape["levels"]
        ]  # fmt: skip
        specifications.append({**shape, "name": column, "present": column, "levels": levels})
        attribute = column.removeprefix(IDENTIFIER_PREFIX)
        if attribute in _CODED:
            # What the attribute's own comparison says already.
            specifications[-1]["unless"] = f"{attribute}_l = {attribute}_r"
    return specifications


def _shape_of(column: str) -> str:
    if column.startswith(IDENTIFIER_PREFIX):
        return "extra_identifier"
    return "extra_category" if column.startswith(CATEGORY_PREFIX) else "extra"


def informative_columns(con: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> set[str]:
    """The features that at least two records fill and that do not always say the same.

    In a handful of records a value that all share may still be telling, and so may a name or an
    identifier in any number: there, filled is enough.
    """
    if not columns:
        return set()
    counts = ", ".join(
        f"sum(case when {quoted(c)} is not null then held end), approx_count_distinct({quoted(c)}), "
        f"min({quoted(c)})::varchar is distinct from max({quoted(c)})::varchar"
        for c in columns
    )
    row = con.execute(f"select {counts} from {FEATURES}").fetchall()[0]
    return {
        column
        for position, column in enumerate(columns)
        if (row[3 * position] or 0) >= 2 and (row[3 * position + 2] or row[3 * position] <= _HANDFUL or column in _CORE)
    }


def choose_comparisons(
    con: duckdb.DuckDBPyConnection, extras: Sequence[str]
) -> tuple[tuple[Comparison, ...], ValueClasses]:
    """The comparisons that the features allow, and the frequency classes that split them."""
    specifications = _specifications(extras)
    informative = informative_columns(con, [spec["present"] for spec in specifications])
    active = [spec for spec in specifications if spec["present"] in informative]
    split = sorted({lv["split"] for spec in active for lv in spec["levels"] if "split" in lv})
    classes, shares = _value_classes(con, split)
    comparisons = tuple(
        Comparison(
            name=spec["name"],
            present=spec["present"],
            levels=tuple(_levels(spec["levels"], classes, shares)),
            trust=float(spec.get("trust", 0.1)),
            unless=str(spec.get("unless", "")),
            u_else=float(spec.get("u_else", 0.985)),
        )
        for spec in active
    )
    return comparisons, classes


def _levels(
    entries: Sequence[Mapping[str, Any]],
    classes: ValueClasses,
    shares: Mapping[str, Mapping[int, float]],
) -> list[Level]:
    """The levels, split ones once per frequency class, rarest first.

    A class gets the part of `m` that its values have among the records: whose value is common
    is as likely to have two records as whose value is rare.
    """
    levels = []
    for entry in entries:
        when = str(entry.get("when", ""))
        if "split" not in entry:
            levels.append(Level(str(entry["name"]), when, float(entry["m"])))
            continue
        feature = str(entry["split"])
        numbers = sorted({*classes.classes[feature].values(), classes.last[feature]}, reverse=True)
        share = float(entry["m"]) / len(numbers)
        for number in numbers:
            condition = f"{when} and {class_column(feature)}_l = {number}"
            if number == numbers[-1]:
                condition = when
            levels.append(Level(f"{entry['name']} ({_rarity(number)})", condition, share))
    return levels


def _rarity(number: int) -> str:
    shares = 2 ** (_COMMONEST_BITS + _CLASS_BITS * number)
    words = ("very common", "common", "usual", "uncommon", "rare", "very rare")
    return f"{words[number]}, about 1 in {shares}"


def _value_classes(
    con: duckdb.DuckDBPyConnection, features: Sequence[str]
) -> tuple[ValueClasses, dict[str, dict[int, float]]]:
    """Frequency classes of the features' values, and the share of records in each class."""
    classes: dict[str, dict[str, int]] = {}
    last: dict[str, int] = {}
    shares: dict[str, dict[int, float]] = {}
    for feature in features:
        name = quoted(feature)
        counted = con.execute(
            f"""
            select {name}, sum(copies)::bigint as records from {FEATURES}
            where {name} is not null group by all order by records desc, {name}
            """
        ).fetchall()
        filled = sum(int(records) for _, records in counted)
        numbers = [_class_of(records / filled) for _, records in counted]
        rarest = max(numbers, default=_LAST_CLASS)
        classes[feature] = {
            str(value): number for (value, _), number in zip(counted, numbers, strict=True) if number < rarest
        }
        last[feature] = rarest
        mass: dict[int, float] = {}
        for (_, records), number in zip(counted, numbers, strict=True):
            mass[number] = mass.get(number, 0.0) + records / filled
        shares[feature] = {number: 0.9 * part + 0.1 / len(mass) for number, part in mass.items()}
    return ValueClasses(classes=classes, last=last), shares


def _class_of(share: float) -> int:
    bits = -math.log2(share)
    return min(_LAST_CLASS, max(0, math.floor((bits - _COMMONEST_BITS) / _CLASS_BITS) + 1))


def add_value_classes(con: duckdb.DuckDBPyConnection, classes: ValueClasses) -> None:
    """Give the feature table one column per split feature with the class of its value."""
    import pyarrow as pa

    present = columns_of(con, FEATURES)
    selected, joins, registered = [], [], []
    for number, feature in enumerate(sorted(classes.last)):
        if feature not in present:
            raise ModelError(
                f"the model splits by {feature}, which these records do not have; "
                "train a model on records with the same columns"
            )
        values = sorted(classes.classes[feature].items())
        name = f"classes_{number}_arrow"
        con.register(
            name,
            pa.table(
                {
                    "value": pa.array([value for value, _ in values], pa.string()),
                    "number": pa.array([number for _, number in values], pa.int8()),
                }
            ),
        )
        registered.append(name)
        selected.append(
            f", case when f.{quoted(feature)} is not null then coalesce(c{number}.number, {classes.last[feature]}) "
            f"end::tinyint as {quoted(class_column(feature))}"
        )
        joins.append(f"left join {name} as c{number} on f.{quoted(feature)} = c{number}.value")
    con.execute(
        f"create or replace table {FEATURES} as select f.* {' '.join(selected)} from {FEATURES} as f {' '.join(joins)}"
    )
    for name in registered:
        con.unregister(name)

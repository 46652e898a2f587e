"""The dbt unit test of a staging model: one made-up row through the mapping, so that an edit that breaks it is seen.

Belongs here: made-up values for each attribute. No value of the user's file is ever written here.
"""

from datetime import datetime
from typing import Any

import yaml

from orchestration.scaffold.columns import PlannedColumn
from orchestration.scaffold.plan import SourcePlan
from orchestration.sources.contract import strptime_format

_MOMENT = datetime(1980, 2, 13, 8, 5, 0)
_VALUES = {
    "given_name": "Ada", "middle_name": "May", "family_name": "Byron", "full_name": "Ada Byron",
    "email": "ada@example.org", "phone": "+44 20 7946 0000", "street": "Mill Lane", "full_address": "12 Mill Lane, Ely",
    "house_number": "12", "street_extra": "East Wing", "unit": "Flat 3", "city": "Ely", "region": "Cambs",
    "postcode": "CB7 4AA", "country": "GB", "national_id": "QQ123456C", "gender": "f", "birth_year": "1980",
    "birth_month": "2", "birth_day": "13",
}  # fmt: skip
_SAME = ("middle_name", "gender", "email", "phone", "unit", "city", "region", "postcode", "country", "national_id")


class _Unaliased(yaml.SafeDumper):
    """Equal values are written out each time."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def unit_tests(plan: SourcePlan) -> str | None:
    """The YAML of the unit tests: of the customer records, and of each further role."""
    from orchestration.scaffold.staging_role_tests import role_tests

    tests = [_record_test(plan)] if _is_tested(plan) else []
    tests += role_tests(plan)
    if not tests:
        return None
    text = yaml.dump({"version": 2, "unit_tests": tests}, Dumper=_Unaliased, sort_keys=False, allow_unicode=True)
    return f"# Made-up rows through the mapping. Change them with the model when you change the mapping on purpose.\n{text}"


def _is_tested(plan: SourcePlan) -> bool:
    """Where only a visitor's id leads to a record, the test of events shows the mapping."""
    return "customer_records" in plan.feeds and plan.keys.record_kind != "visitor"


def _record_test(plan: SourcePlan) -> dict[str, Any]:
    fed = plan.fed()
    row: dict[str, Any] = {}
    for column in plan.columns:
        value = _value(column)
        if value is not None:
            row[column.name] = value
    if plan.keys.record_kind == "column" and plan.keys.record is not None:
        row[plan.keys.record.name] = _key(plan.named(plan.keys.record))
    row |= {"_load_date": "2026-01-05", "_row": 2}
    return {
        "name": f"{plan.source}_record_is_mapped",
        "model": f"stg_{plan.source}__customer_records",
        "given": [{"input": f"source('raw', '{plan.source}__{plan.table}')", "rows": [row]}],
        "expect": {"rows": [_expected(plan, fed, row)]},
    }


def _key(column: PlannedColumn) -> Any:
    return 7 if column.logical_type == "integer" else "K7"


def _value(column: PlannedColumn) -> Any:
    semantic = column.proposal.semantic
    if semantic == "birth_date":
        return _date_text(column)
    if semantic not in _VALUES:
        return None
    value = _VALUES[semantic]
    if column.logical_type in ("integer", "number"):
        digits = "".join(filter(str.isdigit, value))
        return int(digits or 1)
    if column.logical_type not in ("string",):
        return None
    return value


def _date_text(column: PlannedColumn) -> str:
    if column.logical_type == "date":
        return f"{_MOMENT:%Y-%m-%d}"
    if column.logical_type == "timestamp":
        return f"{_MOMENT:%Y-%m-%d %H:%M:%S}"
    form = column.profile.dates.formats[0] if column.profile.dates is not None else ""
    # strftime writes %g (milliseconds to DuckDB) as something else; no scaffolded format has it.
    return _MOMENT.strftime(strptime_format(form)) if form else f"{_MOMENT:%Y-%m-%d}"


def _expected(plan: SourcePlan, fed: dict[str, PlannedColumn], row: dict[str, Any]) -> dict[str, Any]:
    def given(name: str) -> str | None:
        return str(row[fed[name].name]) if name in fed and fed[name].name in row else None

    expected: dict[str, Any] = {"source": plan.source}
    if plan.keys.record_kind == "column" and plan.keys.record is not None:
        expected["record_id"] = f"{plan.source}:{row[plan.keys.record.name]}"
    elif plan.keys.record_kind == "email":
        expected["record_id"] = f"{plan.source}:{_VALUES['email']}"
    for name in ("given_name", "family_name"):
        parts = [given(part) for part in ("given_name", "family_name")]
        whole = given("full_name")
        split = None if whole is None or any(parts) else _VALUES[name]
        expected[name] = given(name) or split
    expected |= {name: given(name) for name in _SAME if name in fed}
    if plan.losses.country is not None:
        expected["country"] = plan.losses.country
    if "birth_date" in fed and "birth_date" in {c.proposal.semantic for c in plan.columns if c.name in row}:
        expected["birth_date"] = f"{_MOMENT:%Y-%m-%d}"
    elif "birth_year" in fed:
        expected["birth_date"] = "1980-02-13" if {"birth_month", "birth_day"} <= set(fed) else "1980-01-01"
    street = _street(fed, row)
    if street:
        expected["street"] = street
    return expected


def _street(fed: dict[str, PlannedColumn], row: dict[str, Any]) -> str | None:
    street = fed.get("street") or fed.get("full_address")
    if street is None:
        return str(row[fed["street_extra"].name]) if "street_extra" in fed else None
    parts = [c for c in (street, fed.get("house_number")) if c is not None]
    parts.sort(key=lambda column: column.profile.position)
    if "street_extra" in fed:
        parts.append(fed["street_extra"])
    return " ".join(str(row[column.name]) for column in parts)

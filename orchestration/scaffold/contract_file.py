"""The contract of a planned source, as YAML in the Open Data Contract Standard v3.

Belongs here: the layout of the file, the same as the sample's contracts have. Does not belong here: decisions.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from orchestration.scaffold.columns import PlannedColumn
from orchestration.scaffold.plan import SourcePlan
from orchestration.scaffold.role_words import role_words
from orchestration.scaffold.staging_consent import unknown_answers_rule
from orchestration.sources.compressed import is_compressed
from orchestration.sources.contract import WHOLE_ROW

GENERATED_BY = "kindred source add"
_DESCRIPTIONS = {
    "given_name": "Given name.", "middle_name": "Middle name.", "family_name": "Family name.",
    "full_name": "Given and family name in one.", "birth_date": "Date of birth.", "birth_year": "Year of birth.",
    "birth_month": "Month of birth.", "birth_day": "Day of birth.", "gender": "Gender.", "email": "E-mail address.",
    "phone": "Telephone number.", "house_number": "House number.", "street": "Street.",
    "street_extra": "Further line of the address.", "full_address": "Address in one.", "unit": "Flat, floor or apartment.",
    "city": "Town or city.", "region": "State, county or region.", "postcode": "Postcode.", "country": "Country.",
    "national_id": "Identity number, where the law allows it to be kept.", "updated_at": "When the row was last changed.",
    "created_at": "When the record was made.", "user_id": "Id under which the person signs in.",
    "loyalty_number": "Number of the loyalty card.", "device_id": "Id of a device.",
    "anonymous_id": "Id of a visitor before the person is known.", "social_handle": "Name on a social network.",
    "order_id": "Id of the order.", "ordered_at": "When the order was placed.", "amount": "Amount of the order.",
    "currency": "Currency of the amount.", "items": "Number of items.", "status": "State of the order.",
    "channel": "Where the order was placed.",
}  # fmt: skip


def contract_yaml(plan: SourcePlan) -> str:
    """The whole contract as text, valid by `load_contract`."""
    parts = [
        f"# Written by `{GENERATED_BY}` from {plan.profile.rows:,} rows; from here on it is yours to edit. Look at: owner,",
        "# purposes with their legal basis, classification, and semantic (the canonical attribute that a column feeds).",
        "# Open Data Contract Standard v3: https://bitol-io.github.io/open-data-contract-standard/",
        _block(_head(plan)),
        "schema:",
        _indented(_table(plan)),
    ]
    return "\n".join(parts) + "\n"


def _head(plan: SourcePlan) -> dict[str, Any]:
    file = plan.profile.file
    server: dict[str, Any] = {
        "server": "landing",
        "type": "local",
        "path": f"{plan.source}/{{date}}",
        "format": file.format,
    }
    if file.format != "parquet":
        server["encoding"] = file.encoding
    if file.format == "csv":
        server["customProperties"] = [{"property": "delimiter", "value": file.delimiter}]
    title = plan.source.replace("_", " ").capitalize()
    return {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": plan.source,
        "name": title,
        "version": "1.0.0",
        "status": "active",
        "domain": "customers",
        "description": {"purpose": f"What {title} delivers. Say here what it is for."},
        "team": {
            "name": f"team-{plan.source.replace('_', '-')}",
            "members": [{"username": f"{plan.source.replace('_', '-')}-owner@kindred.example", "role": "owner"}],
        },
        "servers": [server],
        "customProperties": [
            {"property": "delivery", "value": plan.delivery},
            {"property": "generatedBy", "value": GENERATED_BY},
            *([{"property": "driftPolicy", "value": "ignore"}] if _adds_keys(plan) else []),
            {"property": "purposes", "value": [{"purpose": "service", "legalBasis": "contract"}, *_asked(plan)]},
        ],
    }


def _adds_keys(plan: SourcePlan) -> bool:
    """Events in JSON carry other keys from day to day."""
    return "customer_events" in plan.feeds and plan.profile.file.format == "jsonl"


def _asked(plan: SourcePlan) -> list[dict[str, str]]:
    """The purposes that the file holds answers on: whoever uses its data for them needs consent."""
    reading = plan.readings.get("consent_events")
    found: set[str] = set()
    for answer in reading.answers if reading is not None else ():
        if isinstance(answer.purpose, str):
            found.add(answer.purpose)
        else:
            meanings = (role_words().meaning("purposes", value) for value, _ in answer.purpose.sample)
            found |= {meaning for meaning in meanings if meaning is not None}
    return [{"purpose": purpose, "legalBasis": "consent"} for purpose in sorted(found - {"service"})]


def _table(plan: SourcePlan) -> dict[str, Any]:
    properties: list[dict[str, Any]] = [{"property": "feeds", "value": list(plan.feeds)}]
    if plan.version is not None:
        properties.append({"property": "versionColumn", "value": plan.version.name})
    if not plan.keys.columns:
        properties.append({"property": "rowKey", "value": WHOLE_ROW})
    item: dict[str, Any] = {
        "name": plan.table,
        "physicalName": f"{landed_stem(plan)}*{_plain_suffix(plan)}",
        "physicalType": "file",
        "description": f"One row per {_row_of(plan)} of {plan.source}.",
        "customProperties": properties,
    }
    if plan.delivery == "snapshot":
        item["quality"] = [
            {
                "name": "rows_of_the_day",
                "description": "the list holds rows; an empty one would take everybody for having left",
                "type": "library",
                "metric": "rowCount",
                "severity": "error",
                "mustBeGreaterThan": 0,
            }
        ]
    rule = unknown_answers_rule(plan)
    if rule is not None:
        item["quality"] = [*item.get("quality", []), rule]
    item["properties"] = [_property(column, plan) for column in plan.columns]
    return item


def _row_of(plan: SourcePlan) -> str:
    if plan.observed:
        return {"support_tickets": "ticket", "customer_events": "event", "consent_events": "answer"}[
            tuple(plan.readings)[-1]
        ]
    return "order" if "orders" in plan.feeds else "record"


def landed_stem(plan: SourcePlan) -> str:
    """What the names of landed files begin with; what follows may be a date, and differs from day to day."""
    stem = plan.profile.file.original.stem
    bare = re.sub(r"[-_. ]*\d[-_.\dT:]*$", "", stem)
    return bare if _is_plain(bare) else plan.table


def landed_name(plan: SourcePlan) -> str:
    """The name under which the file lands: its own unless a pattern could not find it."""
    stem = plan.profile.file.original.stem
    own = stem if _is_plain(stem) and stem.startswith(landed_stem(plan)) else landed_stem(plan)
    return f"{own}{landed_suffix(plan)}"


def _is_plain(stem: str) -> bool:
    """No sign of file patterns in it, and not a name that readers pass over."""
    return bool(stem) and stem[0] not in "._" and not set(stem) & set("*?[]")


def landed_suffix(plan: SourcePlan) -> str:
    """The ending under which the file lands, that of its compression included."""
    path = plan.profile.file.path
    return "".join(path.suffixes[-2:]) if is_compressed(path) else path.suffix


def _plain_suffix(plan: SourcePlan) -> str:
    """The ending of landed files; readers find the same with a compression's behind it."""
    path = plan.profile.file.path
    return Path(path.stem).suffix if is_compressed(path) else path.suffix


def _property(column: PlannedColumn, plan: SourcePlan) -> dict[str, Any]:
    semantic = column.proposal.semantic
    words = " ".join(column.profile.words) or column.name
    text = _DESCRIPTIONS.get(semantic or "", f"{words.capitalize()}.")
    if semantic is not None and "." in semantic:
        text = f"{semantic.partition('.')[2].replace('_', ' ').capitalize()}."
    if column.zone is not None:
        text += f" Local time of {column.zone}; staging turns it to UTC."
    if column.epoch is not None:
        unit = {"s": "Seconds", "ms": "Milliseconds", "us": "Microseconds"}[column.epoch]
        text += f" {unit} since 1970."
    if column.profile == plan.keys.record and semantic is None:
        text = "Key of the person in this source." if "orders" in plan.feeds or plan.observed else "Key of the record."
    if column.records_of is not None:
        text = f"Key of the person in {column.records_of}."
    item: dict[str, Any] = {"name": column.name}
    if column.profile.physical_name != column.name:
        item["physicalName"] = column.profile.physical_name
    item |= {"description": text, "logicalType": column.logical_type}
    if column.physical_type is not None:
        item["physicalType"] = column.physical_type
    if column.primary_key:
        item |= {"primaryKey": True, "required": True}
    item["classification"] = column.classification
    options = dict(column.options)
    if column.date_format is not None:
        options = {"format": column.date_format, **options}
    if options:
        item["logicalTypeOptions"] = options
    meaning = [("semantic", column.semantic), ("recordsOf", column.records_of)]
    properties = [{"property": name, "value": value} for name, value in meaning if value is not None]
    if properties:
        item["customProperties"] = properties
    return item


class _Dumper(yaml.SafeDumper):
    """Block style with lists indented, as the sample's contracts are written."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        del indentless
        super().increase_indent(flow, False)


def _quoted(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # A text that YAML would read as something else (`yes`, `,`, `1.0`) is quoted by the representer itself.
    style = '"' if text in (",", ";", "|", "\t") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _quoted)


def _block(value: Any) -> str:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120).rstrip("\n")


def _indented(table: dict[str, Any]) -> str:
    return "\n".join(f"  {line}" if line else line for line in _block([table]).splitlines())

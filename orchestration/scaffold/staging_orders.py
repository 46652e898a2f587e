"""The staging model of orders: states, channels, currencies and amounts in the words of the canonical order.

Belongs here: mapping what a file says of orders. Does not belong here: who ordered (see `staging_parts.source_key`).
"""

import re
from collections import Counter
from typing import TYPE_CHECKING

from orchestration.scaffold.profile import ColumnProfile
from orchestration.scaffold.vocabulary import compact, vocabulary

if TYPE_CHECKING:
    from orchestration.scaffold.columns import PlannedColumn
    from orchestration.scaffold.plan import SourcePlan
    from orchestration.scaffold.staging_parts import Cte

DEFAULT_CURRENCY = "EUR"
_DEFAULTS = {"status": "placed", "channel": "web"}
_WITHOUT = {"status": "shipped", "channel": "web"}


def currency_sign(column: ColumnProfile) -> str | None:
    """The currency whose sign or code stands with the amounts, when it is one and the same."""
    signs = vocabulary().currency_signs
    found: Counter[str] = Counter()
    for value, count in column.sample:
        found.update({code: count for sign, code in signs.items() if sign in value})
        found.update({code: count for code in re.findall(r"[A-Z]{3}", value) if code in vocabulary().currencies})
    return found.most_common(1)[0][0] if len(found) == 1 else None


def decimal_comma(column: ColumnProfile) -> bool:
    """Whether the amounts put a comma before the cents: the sign before the last one or two digits decides."""
    commas = sum(count for value, count in column.sample if re.search(r",\d{1,2}\D*$", value))
    points = sum(count for value, count in column.sample if re.search(r"\.\d{1,2}\D*$", value))
    return commas > points


def unknown_words(name: str, column: ColumnProfile) -> int:
    """How many different values of a state or channel the vocabulary does not know."""
    return sum(compact(value) not in _known(name) for value, _ in column.sample)


def orders_sql(plan: "SourcePlan") -> str:
    """The model of orders: the latest version of each, lines added up where the file has lines."""
    from orchestration.scaffold.staging_parts import render_model, row_hash_cte, source_cte, versions_cte

    fed = plan.fed()
    relation = plan.table
    ctes: list[Cte] = [source_cte(plan)]
    needs_hash = not plan.keys.columns or plan.keys.by_row
    if needs_hash:
        ctes.append(row_hash_cte(plan, relation))
        relation = f"keyed_{plan.table}"
    key = ", ".join(column.name for column in plan.keys.columns) or "row_hash"
    version = plan.named(plan.version) if plan.version is not None else None
    names = [column.name for column in plan.columns]
    ctes.append(versions_cte(plan, relation, f"latest_{plan.table}", key, names, version))
    relation = f"latest_{plan.table}"
    order = fed.get("order_id")
    by_lines = order is not None and plan.keys.columns != (order.profile,)
    ctes.append(("orders", _orders(plan, relation, by_lines=by_lines)))
    return render_model(plan, "One row per order.", ctes)


def _orders(plan: "SourcePlan", relation: str, *, by_lines: bool) -> str:
    from orchestration.scaffold.staging_parts import as_text, as_timestamp, record_id

    fed = plan.fed()
    when = fed.get("ordered_at") or fed.get("created_at") or fed["updated_at"]
    ordered_at = as_timestamp(when)
    updated_at = f"coalesce({as_timestamp(plan.named(plan.version))}, {ordered_at})" if plan.version else ordered_at
    order = as_text(fed["order_id"]) if "order_id" in fed else "row_hash"
    if "order_id" not in fed and plan.keys.columns:
        order = as_text(plan.named(plan.keys.columns[0]))
    expressions = {
        "order_id": f"'{plan.source}:' || {order}",
        "record_id": record_id(plan),
        "ordered_at": ordered_at,
        "updated_at": updated_at,
        "status": _mapped("status", fed),
        "channel": _mapped("channel", fed),
        "currency": _currency(fed),
        "amount": amount(fed["amount"]),
        "items": _items(fed["items"]) if "items" in fed else "cast(null as bigint)",
        "source": f"'{plan.source}'",
        "load_date": "_load_date",
    }
    if by_lines:
        whole = {"order_id", "source"}
        added = {"amount": "sum" if plan.amount_by_line else "max", "items": "sum"}
        expressions = {
            name: text if name in whole else f"{added.get(name, 'max')}({text})" for name, text in expressions.items()
        }
        expressions["ordered_at"] = f"min({ordered_at})"
    columns = ",\n".join(f"    {text}" + ("" if text == name else f" as {name}") for name, text in expressions.items())
    group = "\ngroup by 1" if by_lines else ""
    return f"select\n{columns}\nfrom {relation}{group}"


def _items(column: "PlannedColumn") -> str:
    return column.name if column.logical_type == "integer" else f"try_cast({column.name} as bigint)"


def amount(column: "PlannedColumn") -> str:
    """SQL of the amount as a decimal, taken out of text where the file writes it with signs or a decimal comma."""
    if column.logical_type in ("number", "integer"):
        return f"cast({column.name} as decimal(12, 2))"
    if decimal_comma(column.profile):
        bare = f"{{{{ replace_all('{column.name}', '[^0-9,-]', '') }}}}"
        return f"try_cast(replace({bare}, ',', '.') as decimal(12, 2))"
    return f"try_cast({{{{ replace_all('{column.name}', '[^0-9.-]', '') }}}} as decimal(12, 2))"


def _currency(fed: "dict[str, PlannedColumn]") -> str:
    if "currency" in fed:
        return f"upper(trim({fed['currency'].name}))"
    return f"'{currency_sign(fed['amount'].profile) or DEFAULT_CURRENCY}'"


def _known(name: str) -> "dict[str, str]":
    words = vocabulary().order_status if name == "status" else vocabulary().order_channel
    return dict(words)


def _mapped(name: str, fed: "dict[str, PlannedColumn]") -> str:
    """SQL that maps the words that the file uses onto the canonical ones."""
    if name not in fed:
        return f"'{_WITHOUT[name]}'"
    column, known = fed[name], _known(name)
    words: dict[str, list[str]] = {}
    for value in sorted({value.strip().lower() for value, _ in column.profile.sample}):
        meaning = known.get(compact(value))
        if meaning is not None and meaning != _DEFAULTS[name]:
            words.setdefault(meaning, []).append("'" + value.replace("'", "''") + "'")
    if not words:
        return f"'{_DEFAULTS[name]}'"
    branches = "\n".join(
        f"        when lower(trim({column.name})) in ({', '.join(listed)}) then '{meaning}'"
        for meaning, listed in sorted(words.items())
    )
    return f"case\n{branches}\n        else '{_DEFAULTS[name]}'\n    end"

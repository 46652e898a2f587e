"""How the report writes numbers, money, dates and names.

Belongs here: formatting for people. Does not belong here: any figure or sentence of a particular chart.
"""

from collections.abc import Sequence
from datetime import date
from html import escape

_CHANNELS = {"email": "e-mail", "sms": "SMS"}
_SYMBOLS = {"GBP": "£", "EUR": "€", "USD": "$", "JPY": "¥", "INR": "₹"}


def number(value: float | None) -> str:
    """`1,234`; a dash for what is not known."""
    return "–" if value is None else f"{value:,.0f}"


def plural(count: int, noun: str) -> str:
    """`1 record`, `2 records`."""
    return f"{number(count)} {noun}{'' if count == 1 else 's'}"


def percent(part: float, whole: float) -> str:
    """`12%`, with a decimal where whole percents would say nothing."""
    if not whole:
        return "0%"
    share = 100 * part / whole
    return f"{share:.0f}%" if share >= 10 or share == 0 else "<0.1%" if share < 0.05 else f"{share:.1f}%"


def money(amount: float, currency: str) -> str:
    """`£1,234`, `CHF 1,234`, or the bare number when the currency is not known."""
    sign = _SYMBOLS.get(currency) or (f"{currency} " if currency else "")
    return f"{'-' if amount < 0 else ''}{sign}{abs(amount):,.0f}"


def short_money(amount: float, currency: str) -> str:
    """`£1.2 m`: for headlines."""
    for size, unit in ((1e9, " bn"), (1e6, " m")):
        if abs(amount) >= size:
            return money(0, currency).removesuffix("0") + f"{amount / size:.1f}{unit}"
    return money(amount, currency)


def day(value: date | None) -> str:
    """`5 Jan 2026`."""
    return "–" if value is None else f"{value.day} {value:%b %Y}"


def listed(items: Sequence[str]) -> str:
    """`crm, shop and web`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""


def check_name(expectation: str) -> str:
    """`expect_column_values_to_not_be_null:email` as `Not null`; the column stands beside it."""
    name = expectation.split(":", 1)[0].removeprefix("expect_").removeprefix("column_values_to_")
    return readable(name.removeprefix("be_").replace("not_be_", "not_", 1))


def readable(identifier: str) -> str:
    """`at_risk` as `At risk`."""
    text = identifier.replace("_", " ").strip()
    return text[:1].upper() + text[1:]


def channel(identifier: str | None) -> str:
    """`sms` as `SMS`."""
    return _CHANNELS.get(identifier or "", identifier or "any channel")


def with_code(text: str) -> str:
    """HTML of a text in which commands stand between backticks."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))

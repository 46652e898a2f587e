"""The custom properties of a contract, read by name and type, and the search for secrets in a contract.

Belongs here: what any reader of `customProperties` needs. Does not belong here: the meaning of a property.
"""

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from open_data_contract_standard.model import CustomProperty

from orchestration.sources.errors import ContractError

# A name that ends so promises a secret; `passwordVariable` does not, it names where the secret lies.
_SECRET_NAME = re.compile(
    r"(password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|secret[_-]?key|credentials?"
    r"|authorization|cookie|signature|^sig)$",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
_VARIABLE = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")


class Options:
    """A list of custom properties (or a mapping below one), from which each is taken once; what is left is unknown."""

    def __init__(self, items: list[CustomProperty] | dict[str, Any] | None, where: str) -> None:
        if isinstance(items, dict):
            self._values = dict(items)
        else:
            self._values = {item.property: item.value for item in items or [] if item.property}
        self._known: list[str] = []
        self.where = where

    def _take(self, name: str) -> Any:
        self._known.append(name)
        return self._values.pop(name, None)

    def _wrong(self, name: str, value: Any, expected: str) -> ContractError:
        return ContractError(f"{self.where}.{name}: {value!r} is not {expected}")

    def text(self, name: str) -> str | None:
        """A text, or None. A name that ends in `Variable` must be able to name an environment variable."""
        value = self._take(name)
        if value is not None and not isinstance(value, str):
            raise self._wrong(name, value, "a text")
        if value and name.lower().endswith("variable") and not _VARIABLE.match(value):
            # The value is not shown: whoever misunderstands this field has put the secret itself there.
            raise ContractError(
                f"{self.where}.{name}: this is the name of an environment variable (letters, digits, _), not a value"
            )
        return value or None

    def flag(self, name: str, default: bool) -> bool:
        """True or false."""
        value = self._take(name)
        if value is not None and not isinstance(value, bool):
            raise self._wrong(name, value, "true or false")
        return default if value is None else value

    def integer(self, name: str, default: int, *, minimum: int) -> int:
        """A whole number of at least `minimum`."""
        value = self._take(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
            raise self._wrong(name, value, f"a whole number of at least {minimum}")
        return value

    def number(self, name: str, default: float | None, *, minimum: float) -> float | None:
        """A number of at least `minimum`."""
        value = self._take(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or value < minimum:
            raise self._wrong(name, value, f"a number of at least {minimum}")
        return float(value)

    def choice(self, name: str, known: Sequence[str], default: str) -> str:
        """One of the known words."""
        value = self._take(name)
        if value is None:
            return default
        if value not in known:
            raise self._wrong(name, value, f"one of {', '.join(known)}")
        return str(value)

    def texts(self, name: str) -> dict[str, str]:
        """A mapping of texts; numbers and truth values are written as JSON writes them."""
        value = self._take(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self._wrong(name, value, "a mapping of names to values")
        return {str(key): str(item).lower() if isinstance(item, bool) else str(item) for key, item in value.items()}

    def list(self, name: str) -> tuple[str, ...]:
        """A list of texts."""
        value = self._take(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._wrong(name, value, "a list of texts")
        return tuple(value)

    def section(self, name: str) -> "Options":
        """A mapping below this one."""
        value = self._take(name)
        if value is not None and not isinstance(value, dict):
            raise self._wrong(name, value, "a mapping")
        return Options(value or {}, f"{self.where}.{name}")

    def finish(self) -> None:
        """Refuse what nobody asked for: a misspelt property would be ignored without a word."""
        for name in self._values:
            near = difflib.get_close_matches(name, self._known, n=1)
            hint = f"do you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(self._known))}"
            raise ContractError(f"{self.where}.{name} is unknown; {hint}")


def refuse_secrets(contract: Any) -> None:
    """Raise ContractError when the contract (as YAML gives it) holds a secret; the message does not repeat it.

    Looked for: a property or a server's field whose name promises a secret, and an address with a password or a token
    in it.
    """
    for where, name, value in _entries(contract, ""):
        if name and _SECRET_NAME.search(name) and value not in (None, "", [], {}):
            raise ContractError(
                f"{where}: a contract holds no secrets. Set an environment variable to it and name the variable in "
                "customProperties (passwordVariable, or auth.variable); then change the secret, which has been in a file"
            )
        if isinstance(value, str):
            for address in _ADDRESS.findall(value):
                if _holds_secret(address):
                    raise ContractError(
                        f"{where}: the address has a password or a token in it. Put the whole address into an "
                        "environment variable and name it in customProperties.urlVariable, or leave the secret out"
                    )


def _holds_secret(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return bool(parts.password) or any(
            _SECRET_NAME.search(name) and value for name, value in parse_qsl(parts.query)
        )
    except ValueError:
        return False


def _entries(node: Any, where: str) -> Iterator[tuple[str, str | None, Any]]:
    """Every leaf and property below servers and customProperties: its path, the name it is given, its value.

    Names of the schema's columns are values, so that a column may be called `token`.
    """
    if isinstance(node, dict):
        if isinstance(node.get("property"), str) and "value" in node:
            yield f"{where} ({node['property']})", node["property"], node["value"]
            yield from _entries(node["value"], f"{where}.{node['property']}")
            return
        for key, value in node.items():
            place = f"{where}.{key}" if where else str(key)
            named = isinstance(value, str | int | float) and not isinstance(value, bool)
            yield place, str(key) if named else None, value
            yield from _entries(value, place) if not named else ()
    elif isinstance(node, list):
        for i, item in enumerate(node):
            yield f"{where}[{i}]", None, item
            yield from _entries(item, f"{where}[{i}]")

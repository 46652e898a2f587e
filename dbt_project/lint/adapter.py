"""What SQLFluff's templater needs of dbt's `adapter`: finding the DuckDB form of a dispatched macro.

Belongs here: stand-ins for linting only. Does not belong here: anything that dbt runs.
"""

from collections.abc import Callable
from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context


@pass_context
def dispatch(context: Context, macro_name: str, macro_namespace: str | None = None) -> Callable[..., Any]:
    """The macro `duckdb__<name>` of the context, else `default__<name>`. Raises KeyError when there is neither."""
    for prefix in ("duckdb", "default"):
        macro = context.get(f"{prefix}__{macro_name}")
        if macro is not None:
            found: Callable[..., Any] = macro
            return found
    raise KeyError(macro_name)

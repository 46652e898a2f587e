"""Stand-ins, for linting only, of the macros that dbt itself brings.

Belongs here: a form that parses as SQL. Does not belong here: anything that dbt runs.
"""


def datediff(first: str, second: str, part: str) -> str:
    """Parts between two dates."""
    return f"date_diff('{part}', {first}, {second})"


def listagg(measure: str, delimiter: str, order_by: str = "") -> str:
    """The values of a group as one text."""
    return f"string_agg({measure}, {delimiter} {order_by})"


def dateadd(part: str, count: int, moment: str) -> str:
    """A date moved by a number of parts."""
    return f"{moment} + to_{part}s({count})"


def type_string() -> str:
    """The type of text."""
    return "varchar"

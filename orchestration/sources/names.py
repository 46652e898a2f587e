"""Names and texts as SQL writes them.

Belongs here: quoting. Does not belong here: any query.
"""


def quote(identifier: str) -> str:
    """An identifier in SQL's double quotes."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text in SQL's single quotes."""
    return "'" + text.replace("'", "''") + "'"

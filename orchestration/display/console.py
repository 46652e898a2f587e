"""The console that every display module writes to, and what they share: a plain table, a path as seen from here."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

# Names such as unique:email: are no emoji.
console = Console(emoji=False)


def plain_table(*columns: str) -> Table:
    """A table without borders; cells too wide for the terminal are folded, not cut."""
    table = Table(header_style="bold", show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def show_path(title: str, path: Path) -> None:
    """Where something lies."""
    console.print(f"{title}: {near(path)}", soft_wrap=True)


def near(path: Path) -> str:
    """The path as seen from here when it lies below, else whole."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)

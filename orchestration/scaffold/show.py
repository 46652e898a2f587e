"""What `kindred source add|remove` and `kindred contract check` print.

Belongs here: layout and words. Does not belong here: finding out what to show. No value of a user's file is printed.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from orchestration.config import Settings
    from orchestration.scaffold.check import CheckReport
    from orchestration.scaffold.plan import PlannedColumn
    from orchestration.scaffold.source import Added, Removal

console = Console()
_PIPE_WIDTH = 160
_MARKS = {"sure": "[green]sure[/]", "likely": "likely", "guess": "[yellow]guess[/]", "none": "[dim]-[/]"}


def _wide() -> Console:
    """Wide enough for the evidence where there is no terminal to fit into."""
    return console if console.is_terminal else Console(width=_PIPE_WIDTH)


def show_added(added: "Added", settings: "Settings") -> None:
    """The proposal with its evidence, what was written, what to check, and what to run."""
    plan, out = added.plan, _wide()
    file = plan.profile.file
    written = file.format if file.format == "parquet" else f"{file.format}, {file.encoding}"
    if file.format == "csv":
        written += f", separated by {file.delimiter!r}"
    out.print(
        f"{file.original.name}: {plan.profile.rows:,} rows, {len(plan.columns)} columns ({written})\n", highlight=False
    )
    out.print(_columns_table(added))
    out.print(f"\nKey        {escape(_key(added))}", soft_wrap=True, highlight=False)
    out.print(f"Feeds      {', '.join(plan.feeds)}", highlight=False)
    out.print(
        f"Try-out    {added.rows_loaded:,} rows load by this contract, {added.rows_quarantined:,} would be quarantined",
        highlight=False,
    )
    out.print("\n[bold]Written[/]")
    for path in (added.contract, *sorted(added.staging.iterdir()), added.landed):
        out.print(f"  {escape(_near(path))}", soft_wrap=True, highlight=False)
    out.print("\n[bold]Please check[/]")
    decisions = "the contract's owner, purposes with their legal basis, and retention (none is set) are yours to decide"
    mend = [f"{reason}. Mend the file and add it again, or leave them to the quarantine" for reason in added.held]
    for flag in (*mend, *plan.flags, decisions):
        out.print(f"  - {escape(flag)}", soft_wrap=True, highlight=False)
    _show_neighbours(added, settings, out)
    out.print("\n[bold]Run it[/]")
    for command in ("kindred contract check", f"kindred run --date {added.day}"):
        out.print(f"  {command}", soft_wrap=True, highlight=False)
    out.print(f"[dim]To undo all of this: kindred source remove {plan.source}[/]", highlight=False)


def _columns_table(added: "Added") -> Table:
    table = Table(header_style="bold", show_edge=False, pad_edge=False)
    table.add_column("column", overflow="fold")
    for title in ("filled", "different"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("type", no_wrap=True)
    table.add_column("feeds", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("evidence", overflow="fold")
    for column in added.plan.columns:
        profile = column.profile
        table.add_row(
            escape(profile.physical_name),
            f"{100 * profile.fill:.0f} %",
            f"{profile.distinct:,}",
            column.physical_type or column.logical_type + (f" {column.date_format}" if column.date_format else ""),
            _feeds(column, added),
            _MARKS[column.proposal.confidence] if not column.primary_key else "[green]key[/]",
            escape(_evidence(column, added)),
        )
    return table


def _feeds(column: "PlannedColumn", added: "Added") -> str:
    if column.semantic is not None:
        return column.semantic
    orders = "orders" in added.plan.feeds
    semantic = column.proposal.semantic
    if semantic is not None and "." in semantic:
        # An attribute of a role under its own name: the role stands above the table.
        return semantic.partition(".")[2]
    return semantic if semantic is not None and (orders or semantic == "updated_at") else ""


def _evidence(column: "PlannedColumn", added: "Added") -> str:
    if column.primary_key:
        return added.plan.keys.reason
    if column.profile == added.plan.keys.record:
        return "identifies the person"
    return column.proposal.evidence


def _key(added: "Added") -> str:
    keys = added.plan.keys
    names = " and ".join(f"`{column.physical_name}`" for column in keys.columns) or "none"
    person = ""
    if keys.record_kind == "visitor":
        person = ". Who did it is told by the user's id, else by what the event says of the person"
    if keys.record is not None and keys.record not in keys.columns:
        person = f". The person is identified by `{keys.record.physical_name}`"
    return f"{names}: {keys.reason}{person}"


def _show_neighbours(added: "Added", settings: "Settings", out: Console) -> None:
    """The other active sources, where they matter for the run."""
    if added.set_aside:
        out.print(
            f"\n[bold]The sample's sources were set aside[/] ({', '.join(added.set_aside)}): they owe a delivery for each day "
            f"and have none for {added.day}, so that its run would stop at them. Their contracts lie in "
            f"{escape(_near(settings.contracts / 'set_aside'))}; move them back to have them again "
            "(removing your last source does so).",
            soft_wrap=True,
            highlight=False,
        )
    if added.owed:
        out.print(
            f"\n[yellow bold]A run of {added.day} will stop[/] at the active sources {', '.join(added.owed)}: they owe a "
            "delivery for each day and have none for this one. Land theirs too; or take a day that they have (--date); or keep "
            "your source apart with contracts and data of its own:\n"
            "  export KINDRED_CONTRACTS=mine/contracts KINDRED_DATA=mine/data   and then `kindred source add` again;\n"
            "or, if they are the sample's, set them aside: `kindred source add ... --only`.",
            soft_wrap=True,
            highlight=False,
        )


def show_removal(removal: "Removal", *, with_landing: bool) -> None:
    """What is going to be removed."""
    out = _wide()
    out.print(f"Removing {removal.source}:", highlight=False)
    paths = [removal.contract, removal.staging]
    if with_landing and removal.landed_days:
        paths.append(removal.landing)
    for path in paths:
        out.print(f"  {escape(_near(path))}", soft_wrap=True, highlight=False)
    out.print("  its raw and quarantine tables in the warehouse", highlight=False)
    if removal.landed_days and not with_landing:
        days = ", ".join(map(str, removal.landed_days[-3:]))
        out.print(
            f"Its landed files stay ({escape(_near(removal.landing))}, days {days}); --with-landing takes them away too.",
            soft_wrap=True,
            highlight=False,
        )
    if removal.restored:
        out.print(f"The sample's sources become active again: {', '.join(removal.restored)}", highlight=False)


def show_removed(removal: "Removal") -> None:
    """What remains to be done."""
    _wide().print(
        f"{removal.source} is removed. Its people leave the marts and the published file with the next `kindred run`.",
        highlight=False,
    )


def show_check(report: "CheckReport") -> bool:
    """The findings by contract. Returns whether there is no error among them."""
    out = _wide()
    for path, findings in report.by_contract():
        errors = sum(finding.level == "error" for finding in findings)
        warnings = len(findings) - errors
        state = (
            f"[red]{errors} wrong[/]" if errors else f"[yellow]{warnings} to look at[/]" if warnings else "[green]ok[/]"
        )
        out.print(f"{escape(path.name)}: {state}", highlight=False)
        for finding in findings:
            colour = "red" if finding.level == "error" else "yellow"
            out.print(
                f"  [{colour}]{finding.level}[/] {escape(finding.where)}: {escape(finding.message)}",
                soft_wrap=True,
                highlight=False,
            )
    out.print(escape(report.summary()), highlight=False)
    return report.ok


def _near(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)

"""`kindred source` and `kindred contract`: bring a source in, take it away, check the contracts."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

source_app = typer.Typer(help="Add a source from a file of your own, or take one away.", no_args_is_help=True)
contract_app = typer.Typer(help="The data contracts of the active sources.", no_args_is_help=True)


@source_app.command("add")
def source_add(
    file: Annotated[Path, typer.Argument(help="CSV, JSON Lines, Parquet or a spreadsheet (xlsx).")],
    name: Annotated[str, typer.Option(help="Name of the new source: lower case letters, digits, _.")],
    day: Annotated[
        datetime | None,
        typer.Option("--date", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="Landing day; by default today."),
    ] = None,
    delivery: Annotated[
        str | None, typer.Option(metavar="delta|snapshot", help="Whether each file adds, or is the whole list.")
    ] = None,
    key: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column that tells rows apart.")] = None,
    feeds: Annotated[
        list[str] | None, typer.Option(metavar="ROLE", help="What the file feeds; may be repeated.")
    ] = None,
    mapped: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="ATTRIBUTE=COLUMN", help="Where an attribute stands; may be repeated."),
    ] = None,
    given: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="ATTRIBUTE=VALUE", help="What is the same for all rows, such as purpose=marketing."
        ),
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(metavar="ZONE", help="Of times that do not say it, such as Europe/Berlin; by default UTC."),
    ] = None,
    people: Annotated[
        str | None,
        typer.Option(metavar="SOURCE", help="The source whose ids of people the file names; by default its own."),
    ] = None,
    only: Annotated[
        bool | None,
        typer.Option("--only/--with-sample", help="Set the sample's contracts aside, or leave them active."),
    ] = None,
) -> None:
    """Make a source of a file: profile it, write contract and staging models, land it, and say what to check."""
    from orchestration.config import load_settings
    from orchestration.privacy.access import authorise
    from orchestration.scaffold.plan import Wishes
    from orchestration.scaffold.show import show_added
    from orchestration.scaffold.source import add_source

    if delivery not in (None, "delta", "snapshot"):
        raise typer.BadParameter("delta or snapshot", param_hint="--delivery")
    authorise("source.add")
    settings = load_settings()
    landing_day = (day or datetime.now()).date()
    wishes = Wishes(
        delivery=delivery,  # type: ignore[arg-type]
        key=key,
        feeds=feeds or (),
        mapped=mapped or (),
        given=given or (),
        zone=timezone,
        people=people,
    )
    added = add_source(settings, file, name, landing_day, wishes=wishes, only=only)
    show_added(added, settings)


@source_app.command("remove")
def source_remove(
    name: Annotated[str, typer.Argument(help="The source to take away.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    with_landing: Annotated[bool, typer.Option("--with-landing", help="Delete its landed files too.")] = False,
) -> None:
    """Take a source away that `source add` made: contract, staging models and raw tables. Landed files stay."""
    from orchestration.config import load_settings
    from orchestration.privacy.access import authorise
    from orchestration.scaffold.show import show_removal, show_removed
    from orchestration.scaffold.source import plan_removal, remove_source

    authorise("source.remove")
    settings = load_settings()
    removal = plan_removal(settings, name)
    show_removal(removal, with_landing=with_landing)
    if not yes:
        typer.confirm("Remove it?", abort=True)
    remove_source(settings, removal, with_landing=with_landing)
    show_removed(removal)


@contract_app.command("check")
def contract_check() -> None:
    """Check every contract against the standard and against what has landed. Exit code 0 says that none is wrong."""
    from orchestration.config import load_settings
    from orchestration.scaffold.check import check_contracts
    from orchestration.scaffold.show import show_check

    if not show_check(check_contracts(load_settings())):
        raise typer.Exit(1)

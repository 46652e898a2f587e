"""The command group `kindred privacy`: names, options and exit codes. No logic."""

from pathlib import Path
from typing import Annotated

import typer

privacy_app = typer.Typer(help="What is held of people, and for what it may be used.", no_args_is_help=True)


@privacy_app.command("map")
def map_(
    table: Annotated[
        str | None, typer.Option(metavar="PATTERN", help="Tables by name, such as marts.* or raw.crm__contacts.")
    ] = None,
    classification: Annotated[
        str | None, typer.Option("--class", help="public, internal, pseudonymous, personal or restricted.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Columns without personal data too.")] = False,
    markdown: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write the whole registry as a page, as docs/personal-data.md.")
    ] = None,
) -> None:
    """List the columns that hold personal data: classification, sources, purposes, retention. From contracts and models."""
    from orchestration.display.consent import show_registry
    from orchestration.display.console import show_path
    from orchestration.privacy.registry import build_registry, select
    from orchestration.privacy.registry_page import render_page
    from orchestration.project import load_project

    project = load_project()
    entries = build_registry(project.contracts, project.transform.manifest)
    if markdown is not None:
        page = render_page(entries, project.contracts, project.transform.manifest)
        markdown.write_text(page, encoding="utf-8")
        show_path("Written to", markdown)
        return
    show_registry(select(entries, table, classification, everything=everything))


@privacy_app.command("check")
def check() -> None:
    """Check that no model or export reaches personal data without what its purpose asks for. Exit code 1 names the paths."""
    from orchestration.display.consent import show_violations
    from orchestration.privacy.purpose_check import find_violations
    from orchestration.project import load_project

    project = load_project()
    if not show_violations(find_violations(project.transform.manifest, project.contracts)):
        raise typer.Exit(1)


@privacy_app.command("roles")
def roles() -> None:
    """Who I am here, and what each role may do."""
    from orchestration.config import load_settings
    from orchestration.display.consent import show_roles
    from orchestration.privacy.access import identify, known_roles

    show_roles(identify(load_settings()), known_roles())

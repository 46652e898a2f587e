"""`kindred warehouse ...`: encrypting the working file, and back. No logic."""

import typer

warehouse_app = typer.Typer(help="The working DuckDB file.", no_args_is_help=True)


@warehouse_app.command("encrypt")
def encrypt() -> None:
    """Encrypt the working file with the configured key. Then set KINDRED_ENCRYPT_WORKING_FILES=true."""
    _convert(encrypted=True)


@warehouse_app.command("decrypt")
def decrypt() -> None:
    """Make the working file a plain one again. Then unset KINDRED_ENCRYPT_WORKING_FILES."""
    _convert(encrypted=False)


def _convert(*, encrypted: bool) -> None:
    from orchestration.project import convert_warehouse, load_project

    project = load_project()
    state = "encrypted" if encrypted else "plain"
    changed = convert_warehouse(project, encrypted=encrypted)
    typer.echo(
        f"{project.settings.warehouse} is {state} now."
        if changed
        else f"Nothing to do: the working file is {state}, or not there."
    )
    if changed and project.settings.encrypt_working_files is not encrypted:
        typer.echo(
            f"{'Set KINDRED_ENCRYPT_WORKING_FILES=true' if encrypted else 'Unset KINDRED_ENCRYPT_WORKING_FILES'} before the next run."
        )

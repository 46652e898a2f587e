"""`kindred landing ...`: encrypting what has landed, and back. No logic."""

import typer

landing_app = typer.Typer(help="The files as they arrived.", no_args_is_help=True)


@landing_app.command("encrypt")
def encrypt() -> None:
    """Encrypt every landed file with the configured key. Then set KINDRED_ENCRYPT_WORKING_FILES=true."""
    _convert(encrypted=True)


@landing_app.command("decrypt")
def decrypt() -> None:
    """Make every landed file a plain one again. Then unset KINDRED_ENCRYPT_WORKING_FILES."""
    _convert(encrypted=False)


def _convert(*, encrypted: bool) -> None:
    from orchestration.project import convert_landing, load_project

    project = load_project()
    state = "encrypted" if encrypted else "plain"
    done = convert_landing(project, encrypted=encrypted)
    if done.files:
        files = "1 file" if done.files == 1 else f"{done.files:,} files"
        typer.echo(f"{files} ({done.bytes / 1024**2:,.1f} MiB) below {project.settings.landing} made {state}.")
    else:
        typer.echo(f"Nothing to do: no file below {project.settings.landing} had to be made {state}.")
    for path in done.left:
        typer.echo(f"Left as it is, a link or being written to: {path}")
    if project.settings.encrypt_working_files is not encrypted:
        typer.echo(
            "Set KINDRED_ENCRYPT_WORKING_FILES=true, so that new files are encrypted, too; the warehouse is converted by "
            "`kindred warehouse encrypt`."
            if encrypted
            else "Unset KINDRED_ENCRYPT_WORKING_FILES, so that new files stay plain, too; the warehouse is converted by "
            "`kindred warehouse decrypt`."
        )

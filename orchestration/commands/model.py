"""The command group `kindred model`: names, options and exit codes. No logic."""

from typing import Annotated

import typer

model_app = typer.Typer(
    help="Linkage models: which is in use, train a candidate, compare, promote.", no_args_is_help=True
)

RECORDS = "cleansing.standardised_records"
Version = Annotated[str, typer.Argument(metavar="VERSION", help="As `kindred model list` shows it.")]


@model_app.command("list")
def list_() -> None:
    """Every model kept: which is in use, since when and why, and which are candidates."""
    from orchestration.config import load_settings
    from orchestration.display.model import show_models
    from orchestration.ledger.store import Ledger
    from orchestration.linkage.registry import kept_models

    settings = load_settings()
    show_models(kept_models(settings.models, Ledger.of(settings)))


@model_app.command("drift")
def drift() -> None:
    """How far the records have moved from those the model in use was trained on. Exit code 1: past a limit."""
    from orchestration.display.model import show_drift
    from orchestration.linkage.registry import drift_of_model
    from orchestration.project import load_project

    project = load_project()
    with project.warehouse() as con:
        found = drift_of_model(con, RECORDS, project.settings.models)
    if not show_drift(found):
        raise typer.Exit(1)


@model_app.command("train")
def train() -> None:
    """Train a candidate on the present records, calibrated by stewards' judgements. It changes nothing by itself."""
    from orchestration.display.model import show_trained
    from orchestration.linkage.registry import judgements_table, require_records, train_candidate
    from orchestration.privacy.access import require
    from orchestration.project import load_project

    project = load_project()
    require(project.settings, "model.train")
    with project.exclusive(), project.warehouse() as con:
        require_records(con, RECORDS)
        show_trained(train_candidate(con, RECORDS, project.settings.models, judgements=judgements_table(con)))


@model_app.command("compare")
def compare(
    before: Annotated[
        str | None, typer.Argument(metavar="[A]", help="A version; by default the one in use. Given alone, it is B.")
    ] = None,
    after: Annotated[
        str | None, typer.Argument(metavar="[B]", help="A version; by default the newest candidate.")
    ] = None,
) -> None:
    """What taking B into use instead of A would change: customers that merge and split, pairs, weights, thresholds."""
    from orchestration.display.model import show_comparison
    from orchestration.ledger.store import Ledger
    from orchestration.linkage.comparing import compare_models
    from orchestration.linkage.registry import choose_versions, judgements_table, load_model, require_records
    from orchestration.privacy.access import require
    from orchestration.project import load_project

    project = load_project()
    require(project.settings, "model.train")
    models = project.settings.models
    one, other = choose_versions(models, Ledger.of(project.settings), before, after)
    with project.exclusive(), project.warehouse() as con:
        require_records(con, RECORDS)
        show_comparison(
            compare_models(
                con, load_model(models, one), load_model(models, other), RECORDS, judgements=judgements_table(con)
            )
        )


@model_app.command("promote")
def promote(
    version: Version,
    reason: Annotated[str, typer.Option(help="Why; kept in the ledger and the audit log, so name no person.")],
) -> None:
    """Take a model into use: the next run resolves everybody anew with it. An older one goes back to it."""
    from orchestration.display.model import show_promoted
    from orchestration.ledger.store import Ledger
    from orchestration.linkage.registry import load_model, newest_load_date
    from orchestration.linkage.registry import promote as promote_model
    from orchestration.privacy.access import require
    from orchestration.project import load_project

    project = load_project()
    settings = project.settings
    actor = require(settings, "model.promote")
    load_model(settings.models, version)
    with project.exclusive():
        with project.warehouse() as con:
            since = newest_load_date(con, RECORDS)
        previous = promote_model(settings.models, Ledger.of(settings), version, reason=reason, actor=actor, since=since)
    show_promoted(version, previous)

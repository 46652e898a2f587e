"""Publishing outside of a daily run: taking people out of what is published, and running a day again.

Belongs here: what may enter the published files after an erasure, and in which order they are written. Does not belong
here: how a file is written (`publishing`), and the run itself (`daily`).

After an erasure the published files are written anew without the people's rows, from the files as they were published. What
follows from all people together is taken from the warehouse where erasure has computed it anew, but only when the warehouse
holds what the last publication showed: behind a run that a gate has stopped, it holds what was refused, and then such a table
stays as it was published, but for rows of the people.
"""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.duckdb_files import key_of
from orchestration.errors import KindredError
from orchestration.ledger.audit import append
from orchestration.ledger.store import Ledger, current_actor
from orchestration.project import Project

if TYPE_CHECKING:
    from orchestration.privacy.erasure import Removed
    from orchestration.publishing import PublishedFile

logger = logging.getLogger("kindred.publishing")


class RepublishError(KindredError):
    """The published files could not be written anew; the message says which part failed."""


def republish(project: Project, removed: "Removed") -> None:
    """Write every published file anew without the people, and the report.

    Does nothing when nothing was ever published. Raises RepublishError; the files that could not be written are as before.
    """
    from orchestration.publishing import PublishingError
    from orchestration.publishing import public as everybody

    settings = project.settings
    project.transform.prepare()
    with project.exclusive():
        settled = is_settled(project)
        try:
            with ThreadPoolExecutor(max_workers=2) as pool:
                parts = [pool.submit(part, project, removed, settled) for part in (_customers, _analytics)]
                for part in parts:
                    part.result()
            _public(project, settled, settings.published / everybody.FILE_NAME)
            if settled and (settings.published / "report.html").exists():
                _report(project)
        except PublishingError as error:
            raise RepublishError(f"publishing anew failed: {error}") from error


def is_settled(project: Project) -> bool:
    """Whether the warehouse holds what the last publication showed, but for those who were erased since.

    It does when the last run that left a trace in it, of loading or of a gate, is the one that made the published file,
    and when dbt describes the tables that are there: the project may have been changed since.
    """
    from orchestration.publishing import column_privacy, published_by
    from orchestration.publishing.analytics import FILE_NAME
    from orchestration.publishing.database import warehouse_columns

    described = column_privacy(project.transform.target / "manifest.json")
    with project.warehouse() as con:
        found = {table: {name for name, _ in columns} for table, columns in warehouse_columns(con).items()}
        if found != {table: set(columns) for table, columns in described.items()}:
            return False
        present = {
            row[0]
            for row in con.execute("select table_name from duckdb_tables() where schema_name = 'quality'").fetchall()
        }
        traces = []
        for table, moment in (("loads", "loaded_at"), ("check_results", "checked_at")):
            if table in present:
                traces += con.execute(
                    f"select {moment}, run_id from quality.{table} order by {moment} desc, run_id limit 1"
                ).fetchall()
    run, _ = published_by(project.settings.published / FILE_NAME)
    return bool(traces) and run is not None and max(traces)[1] == run


def _customers(project: Project, removed: "Removed", settled: bool) -> None:
    from orchestration.publishing import publish_customers, table_texts, withdraw_from_customers

    settings = project.settings
    path = settings.customers_file
    if not path.exists():
        return
    texts = table_texts(project.transform.target / "manifest.json")
    limits = {"threads": settings.threads, "memory_limit": settings.memory_limit}
    key = str(key_of(path))
    _replaced(
        project,
        path,
        settled,
        lambda: withdraw_from_customers(
            settings.warehouse,
            path,
            removed.closure,
            key,
            fresh=removed.rebuilt if settled else (),
            tables=texts,
            **limits,  # type: ignore[arg-type]
        ),
        lambda: publish_customers(
            settings.warehouse,
            path,
            key,
            texts,
            run_id=_origin(project)[0],
            load_date=_origin(project)[1],
            **limits,  # type: ignore[arg-type]
        ),
    )


def _analytics(project: Project, removed: "Removed", settled: bool) -> None:
    from orchestration.privacy.secret import load_secret
    from orchestration.publishing import column_privacy, publish_analytics, table_texts, withdraw_from_analytics
    from orchestration.publishing.analytics import FILE_NAME

    settings = project.settings
    path = settings.published / FILE_NAME
    if not path.exists():
        return
    manifest = project.transform.target / "manifest.json"
    limits = {"threads": settings.threads, "memory_limit": settings.memory_limit}
    secret = load_secret(settings)
    words, texts = column_privacy(manifest), table_texts(manifest)
    _replaced(
        project,
        path,
        settled,
        lambda: withdraw_from_analytics(
            settings.warehouse,
            settings.published,
            removed.closure,
            secret,
            fresh=removed.rebuilt if settled else (),
            columns=words,
            tables=texts,
            **limits,  # type: ignore[arg-type]
        ),
        lambda: publish_analytics(
            settings.warehouse,
            settings.published,
            words,
            secret,
            texts,
            run_id=_origin(project)[0],
            load_date=_origin(project)[1],
            token_period=settings.token_period,
            **limits,  # type: ignore[arg-type]
        ),
    )


def _replaced(
    project: Project,
    path: Path,
    settled: bool,
    withdraw: "Callable[[], PublishedFile]",
    publish: "Callable[[], PublishedFile]",
) -> None:
    """Take people out of a file; where nobody can be found in it, publish it anew, or not at all."""
    from orchestration.publishing import NotTellableError

    try:
        file = withdraw()
    except NotTellableError as error:
        if not settled:
            _withdrawn(project, path, str(error))
            return
        file = publish()
    _note(project, path.name, {"sha256": file.sha256, "rows": sum(file.tables.values())})


def _public(project: Project, settled: bool, path: Path) -> None:
    """The public tables, of the warehouse, or else of what the full file shows: k is looked at again in any case."""
    from orchestration.publishing import PublishingError, SmallGroupsError, public_tables, publish_public, table_texts

    settings = project.settings
    if not path.exists():
        return
    source = settings.warehouse if settled else settings.customers_file
    manifest = project.transform.target / "manifest.json"
    try:
        file = publish_public(
            source,
            settings.published,
            public_tables(manifest),
            settings.k_anonymity,
            table_texts(manifest),
            load_date=_origin(project)[1],
            threads=settings.threads,
            memory_limit=settings.memory_limit,
        )
    except PublishingError as error:
        if settled and not isinstance(error, SmallGroupsError):
            raise
        _withdrawn(project, path, str(error))
        return
    if file is not None:
        _note(project, path.name, {"sha256": file.sha256, "rows": sum(file.tables.values())})


def _report(project: Project) -> None:
    from orchestration.linkage.registry import current_model
    from orchestration.publishing import build_report

    settings = project.settings
    model = current_model(settings.models)
    build_report(
        settings.warehouse,
        settings.published / "report.html",
        match_threshold=model.threshold_weight if model else None,
    )


def _origin(project: Project) -> tuple[str | None, date | None]:
    from orchestration.publishing import published_by
    from orchestration.publishing.analytics import FILE_NAME

    return published_by(project.settings.published / FILE_NAME)


def _withdrawn(project: Project, path: Path, why: str) -> None:
    """Nobody can say that the people are not in it, so nobody gets it until the next run publishes it anew."""
    path.unlink()
    logger.warning("%s was taken back until the next run publishes it anew: %s", path.name, why)
    _note(project, path.name, {"withdrawn": True})


def _note(project: Project, name: str, details: dict[str, object]) -> None:
    with Ledger.of(project.settings).writing() as connection:
        append(
            connection,
            actor=current_actor(),
            action="publish",
            subject=name,
            details={"after_erasure": True, **details},
        )


def run_again(project: Project, _: object = None) -> None:
    """Run the newest loaded day as a whole: everything is derived anew from what raw still holds.

    Raises RepublishError when a gate stops it; what is published is then as before.
    """
    from orchestration.daily import run_days

    day = _last_day(project)
    if day is None:
        return
    for outcome in run_days(project, [day], lambda _: None, force=True):
        if not outcome.published:
            told = "; ".join(f"{failure.step}: {failure.message}" for failure in outcome.failures)
            raise RepublishError(f"the run that derives everything anew failed: {told}")


def _last_day(project: Project) -> date | None:
    with project.warehouse() as con:
        rows = con.execute("select max(load_date) from quality.loads").fetchall()
    return rows[0][0] if rows else None

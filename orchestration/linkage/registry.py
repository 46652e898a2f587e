"""Where trained linkage models lie, which one is in use, and how a new one comes to be.

Belongs here: `<models>/linkage/<version>/`, the pointer to the model in use, training a first model or a candidate,
promoting. Does not belong here: the training itself, comparing models, applying them.

The ledger is the truth of which model is in use; the pointer file follows it, so that what applies the model need not
read the ledger. A version's folder holds:

- `model.json`: everything that scoring uses. Its frequency tables are values of people that many records share (names,
  streets, postcodes): the one file here that erasure has to look into.
- `splink.json`, `report.json`, `fingerprint.json`, `report.html`: no values of people.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.ledger.promotions import (
    PIPELINE,
    Promotion,
    append_promotion,
    note_use,
    promotion_for,
    read_promotions,
)
from orchestration.linkage.errors import LinkageError

if TYPE_CHECKING:
    import duckdb

    from orchestration.ledger.store import Ledger
    from orchestration.linkage import LinkageModel
    from orchestration.linkage.calibration import Calibration
    from orchestration.linkage.drift import Drift

FINGERPRINT_FILE = "fingerprint.json"
REPORT_PAGE = "report.html"
FILES_WITH_VALUES = ("model.json",)
"""The files of a version that hold values of people: those that many records share, as frequency tables."""

JUDGEMENTS = "resolution.judgements"

_POINTER = "in_use"


@dataclass(frozen=True)
class Settled:
    """The model that a run resolves with; None when the first has yet to be trained."""

    model: "LinkageModel | None"
    notes: tuple[str, ...] = ()
    """What was found amiss and mended, for people."""


@dataclass(frozen=True)
class Trained:
    """A newly trained model and where it is kept."""

    model: "LinkageModel"
    folder: Path
    calibration: "Calibration | None"
    known: bool
    """Whether the very same model was kept already."""


@dataclass(frozen=True)
class KeptModel:
    """One version on disk or in the ledger."""

    version: str
    in_use: bool
    promotions: tuple[Promotion, ...]
    on_disk: bool
    as_of: str | None
    records: int | None
    threshold_weight: float | None
    expected_precision: float | None
    expected_recall: float | None


def current_model(models: Path) -> "LinkageModel | None":
    """The model in use, or None when none was ever trained.

    Raises LinkageError when the pointer names a model that is not there.
    """
    version = pointed(models)
    return None if version is None else load_model(models, version, in_use=True)


def pointed(models: Path) -> str | None:
    """The version that the pointer names, or None when there is no pointer."""
    pointer = models / "linkage" / _POINTER
    return pointer.read_text(encoding="utf-8").strip() if pointer.exists() else None


def load_model(models: Path, version: str, *, in_use: bool = False) -> "LinkageModel":
    """A kept model. Raises LinkageError when it is not there, ModelError when its files are broken."""
    from orchestration.linkage import LinkageModel

    folder = models / "linkage" / version
    if folder.is_dir():
        return LinkageModel.load(folder)
    if not in_use:
        raise LinkageError(
            f"there is no linkage model {version} in {folder.parent}; `kindred model list` shows those kept"
        )
    raise LinkageError(
        f"the linkage model in use, {version}, is not in {folder.parent}. Restore that folder from a backup: models are "
        "kept beside the ledger and are part of its backup. Without one, `kindred model train` and `kindred model "
        "promote` put a new model in its place (customers may then merge and split)."
    )


def settle(models: Path, ledger: "Ledger", as_of: date | None) -> Settled:
    """Make the pointer name the model that the ledger holds to be in use for records up to a load date.

    The first run with a promoted model notes its day in the ledger. A pointer of a time before promotions were kept is
    written into the ledger as the first promotion.

    Raises LinkageError when that model is not on disk, LedgerError when the ledger cannot be read.
    """
    promotions = read_promotions(ledger)
    present = pointed(models)
    if not promotions:
        if present is None:
            return Settled(None)
        model = load_model(models, present, in_use=True)
        append_promotion(
            ledger,
            present,
            previous=None,
            reason="in use before promotions were kept",
            actor=PIPELINE,
            since=as_of,
        )
        return Settled(model, (f"the ledger knew of no model; {present}, which was in use, is now its first",))
    promotion = promotion_for(promotions, as_of)
    if promotion is None:  # Not with promotions in the ledger.
        return Settled(None)
    model = load_model(models, promotion.version, in_use=True)
    notes: tuple[str, ...] = ()
    if present != promotion.version:
        put_in_use(promotion.version, models)
        notes = (_mended(present, promotion, promotions, as_of),)
    if promotion.first_used_on is None and as_of is not None:
        note_use(ledger, promotion.promotion_id, as_of)
    return Settled(model, notes)


def _mended(present: str | None, wanted: Promotion, promotions: Sequence[Promotion], as_of: date | None) -> str:
    if wanted is not promotions[-1]:
        return f"records up to {as_of} are resolved with the model of that time, {wanted.version}"
    told = f"the pointer named {present}" if present else "there was no pointer to the model in use"
    return f"{told}, but the ledger says {wanted.version}: the ledger holds, and the pointer was mended"


def train_first_model(
    con: "duckdb.DuckDBPyConnection", records: str, models: Path, ledger: "Ledger", as_of: date | None
) -> "LinkageModel":
    """Train a model on the records (standardised, one row per record), keep it and take it into use."""
    trained = train_candidate(con, records, models)
    version = trained.model.version
    append_promotion(ledger, version, previous=None, reason="first model", actor=PIPELINE, since=as_of)
    put_in_use(version, models)
    if as_of is not None:
        note_use(ledger, read_promotions(ledger)[-1].promotion_id, as_of)
    return trained.model


def train_candidate(
    con: "duckdb.DuckDBPyConnection", records: str, models: Path, *, judgements: str | None = None
) -> Trained:
    """Train a model on the records and keep it; it is not in use until it is promoted.

    Args:
        judgements: a table (`record_id_l`, `record_id_r`, `verdict`) by which the model is calibrated.

    Raises LinkageError as training does.
    """
    from orchestration.linkage import train
    from orchestration.linkage.calibration import calibrate_on
    from orchestration.linkage.drift import take_fingerprint
    from orchestration.linkage.model_report import write_model_report

    model, calibration = train(con, records), None
    if judgements is not None:
        model, calibration = calibrate_on(con, model, records, judgements)
    folder = models / "linkage" / model.version
    known = folder.is_dir()
    in_use = pointed(models)
    previous = load_model(models, in_use) if in_use and (models / "linkage" / in_use).is_dir() else None
    model.save(folder)
    take_fingerprint(con, records, model).save(folder / FINGERPRINT_FILE)
    write_model_report(model, folder / REPORT_PAGE, previous if in_use != model.version else None)
    return Trained(model, folder, calibration, known)


def require_records(con: "duckdb.DuckDBPyConnection", records: str) -> None:
    """Raises LinkageError when there is no such table yet."""
    if not _exists(con, records):
        raise LinkageError(f"there are no standardised records yet ({records}): `kindred run` makes them")


def _exists(con: "duckdb.DuckDBPyConnection", table: str) -> bool:
    found = con.execute(
        "select count(*) from duckdb_tables() where database_name = current_database() "
        "and schema_name || '.' || table_name = ?",
        [table],
    ).fetchall()
    return bool(found[0][0])


def newest_load_date(con: "duckdb.DuckDBPyConnection", records: str) -> date | None:
    """The load date up to which a table of records goes; None when it is empty or not there."""
    if not _exists(con, records):
        return None
    newest: date | None = con.execute(f"select max(load_date)::date from {records}").fetchall()[0][0]
    return newest


def judgements_table(con: "duckdb.DuckDBPyConnection") -> str | None:
    """The ledger's living judgements as of the last run, where the warehouse has them."""
    return JUDGEMENTS if _exists(con, JUDGEMENTS) else None


def drift_of_model(con: "duckdb.DuckDBPyConnection", records: str, models: Path) -> "tuple[str, list[Drift]] | None":
    """The version in use and how far the records have moved from those it was trained on, the furthest first.

    None when there is no model in use, or none with a fingerprint.
    """
    from orchestration.linkage.drift import Fingerprint, find_drift, take_fingerprint

    model = current_model(models)
    if model is None or not _exists(con, records):
        return None
    trained = Fingerprint.load(models / "linkage" / model.version / FINGERPRINT_FILE)
    if trained is None:
        return None
    return model.version, find_drift(trained, take_fingerprint(con, records, model))


def promote(models: Path, ledger: "Ledger", version: str, *, reason: str, actor: str, since: date | None) -> str | None:
    """Take a kept model into use: ledger and audit first, then the pointer. Returns the version in use before.

    Raises LinkageError when there is no such model, no reason, or it is in use already.
    """
    if not reason.strip():
        raise LinkageError("a promotion needs a reason, for those who will ask later: give --reason")
    model = load_model(models, version)
    promotions = read_promotions(ledger)
    previous = promotions[-1].version if promotions else pointed(models)
    if previous == model.version:
        if pointed(models) != previous:
            put_in_use(previous, models)
        raise LinkageError(f"the linkage model {version} is in use already")
    append_promotion(ledger, model.version, previous=previous, reason=reason.strip(), actor=actor, since=since)
    # If the program ends here, the next run finds that ledger and pointer disagree, and mends the pointer.
    put_in_use(model.version, models)
    return previous


def put_in_use(version: str, models: Path) -> None:
    """Point at a kept model. The pointer is swapped, so that it never names half a version."""
    pointer = models / "linkage" / _POINTER
    beside = pointer.with_suffix(".new")
    beside.parent.mkdir(parents=True, exist_ok=True)
    beside.write_text(version + "\n", encoding="utf-8")
    beside.replace(pointer)


def kept_models(models: Path, ledger: "Ledger") -> list[KeptModel]:
    """Every version on disk or in the ledger: promoted ones in order of promotion, then candidates by their data's day."""
    from orchestration.linkage import LinkageModel
    from orchestration.linkage.drift import Fingerprint

    promotions = read_promotions(ledger)
    in_use = promotions[-1].version if promotions else pointed(models)
    folder = models / "linkage"
    on_disk = {path.name for path in folder.iterdir() if path.is_dir()} if folder.is_dir() else set()
    found = []
    for version in on_disk | {promotion.version for promotion in promotions}:
        model = LinkageModel.load(folder / version) if version in on_disk else None
        trained = Fingerprint.load(folder / version / FINGERPRINT_FILE)
        found.append(
            KeptModel(
                version=version,
                in_use=version == in_use,
                promotions=tuple(promotion for promotion in promotions if promotion.version == version),
                on_disk=model is not None,
                as_of=trained.as_of if trained else None,
                records=model.report.get("records") if model else None,
                threshold_weight=model.threshold_weight if model else None,
                expected_precision=model.report.get("expected_precision") if model else None,
                expected_recall=model.report.get("expected_recall") if model else None,
            )
        )

    def place(kept: KeptModel) -> tuple[bool, int, str, str]:
        last = kept.promotions[-1].promotion_id if kept.promotions else 0
        return not kept.promotions, last, kept.as_of or "", kept.version

    return sorted(found, key=place)


def newest_candidate(kept: Sequence[KeptModel]) -> KeptModel | None:
    """The candidate of the newest data that was never promoted, or None."""
    candidates = [model for model in kept if not model.promotions and model.on_disk]
    return candidates[-1] if candidates else None


def choose_versions(models: Path, ledger: "Ledger", one: str | None, other: str | None) -> tuple[str, str]:
    """The two versions to compare: by default the one in use and the newest candidate; one alone is the second.

    Raises LinkageError when there is nothing to compare, or both are the same.
    """
    kept = kept_models(models, ledger)
    if one and other:
        before, after = one, other
    else:
        used = next((model.version for model in kept if model.in_use), None)
        if used is None:
            raise LinkageError("there is no linkage model in use yet: `kindred run` trains the first")
        candidate = newest_candidate(kept)
        if one is None and candidate is None:
            raise LinkageError(
                "there is no candidate to compare with the model in use: `kindred model train` makes one"
            )
        before, after = used, one or (candidate.version if candidate else "")
    if before == after:
        raise LinkageError(f"both are {before}: name two versions, `kindred model list` shows them")
    return before, after

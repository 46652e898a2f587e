"""The linkage model in use, its drift, and the training of candidates: an asset and a job of their own."""

from datetime import date

import dagster as dg

from orchestration.defs.resources import PLATFORM_OWNER, RUN_LOCK, project, stage_tag
from orchestration.ledger.store import Ledger
from orchestration.linkage.registry import (
    drift_of_model,
    judgements_table,
    newest_load_date,
    settle,
    train_candidate,
    train_first_model,
)

RECORDS = "cleansing.standardised_records"
MODEL_KEY = dg.AssetKey(["resolution", "linkage_model"])
CANDIDATE_KEY = dg.AssetKey(["resolution", "linkage_model_candidate"])
DRIFT_CHECK = dg.AssetCheckKey(MODEL_KEY, "drift")


@dg.asset(
    key=MODEL_KEY,
    deps=[["cleansing", "standardised_records"]],
    group_name="cleansing",
    kinds={"splink"},
    owners=[PLATFORM_OWNER],
    required_resource_keys=RUN_LOCK,
    op_tags=stage_tag("cleansing"),
    description=(
        "The linkage model in use, as the ledger says. A daily run never retrains: it trains once, when there is no model "
        "yet, and keeps to that one until another is promoted (`kindred model promote`)."
    ),
)
def linkage_model(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """Train the first model, or settle which one this run resolves with."""
    settings = project().settings
    ledger = Ledger.of(settings)
    with project().warehouse() as con:
        as_of = newest_load_date(con, RECORDS)
        settled = settle(settings.models, ledger, as_of)
        for note in settled.notes:
            context.log.warning(f"linkage model: {note}")
        model = settled.model or train_first_model(con, RECORDS, settings.models, ledger, as_of)
    return dg.MaterializeResult(
        metadata={
            "version": model.version,
            "threshold_weight": model.threshold_weight,
            "trained": settled.model is None,
            "notes": "\n".join(settled.notes) or "none",
        }
    )


@dg.asset_check(
    asset=MODEL_KEY,
    name=DRIFT_CHECK.name,
    required_resource_keys=RUN_LOCK,
    op_tags=stage_tag("cleansing"),
    description="The records are still like those that the linkage model was trained on. Warns; holds nothing back.",
)
def drift() -> dg.AssetCheckResult:
    """Compare the fingerprint of today's records with the model's."""
    with project().warehouse() as con:
        found = drift_of_model(con, RECORDS, project().settings.models)
    version, drifts = found or ("", [])
    words = "\n".join(entry.words for entry in drifts)
    if found is None:
        words = "The model in use has no data fingerprint: it is older than fingerprints. Train and promote a new one."
    elif drifts:
        words += (
            "\nTrain a candidate with `kindred model train`, and see what it would change with `kindred model compare`."
        )
    return dg.AssetCheckResult(
        passed=found is not None and not drifts,
        severity=dg.AssetCheckSeverity.WARN,
        description=words or "The records are like those that the model was trained on.",
        metadata={"version": version, "past_a_limit": len(drifts)},
    )


@dg.asset(
    key=CANDIDATE_KEY,
    deps=[["cleansing", "standardised_records"]],
    group_name="cleansing",
    kinds={"splink"},
    owners=[PLATFORM_OWNER],
    required_resource_keys=RUN_LOCK,
    op_tags=stage_tag("cleansing"),
    description=(
        "A model trained on the present records and calibrated by stewards' judgements. It changes nothing until it is "
        "promoted; no daily run makes it."
    ),
)
def linkage_model_candidate() -> dg.MaterializeResult:
    """Train a candidate, and keep it beside the model in use."""
    with project().warehouse() as con:
        trained = train_candidate(con, RECORDS, project().settings.models, judgements=judgements_table(con))
    report = trained.model.report
    return dg.MaterializeResult(
        metadata={
            "version": trained.model.version,
            "known_already": trained.known,
            "threshold_weight": trained.model.threshold_weight,
            "expected_precision": report.get("expected_precision", 1.0),
            "expected_recall": report.get("expected_recall", 1.0),
            "judged_pairs": trained.calibration.judged_pairs if trained.calibration else 0,
            "folder": dg.MetadataValue.path(str(trained.folder)),
            "next": f"kindred model compare {trained.model.version}",
        }
    )


train_linkage_model = dg.define_asset_job(
    "train_linkage_model",
    selection=dg.AssetSelection.assets(CANDIDATE_KEY),
    executor_def=dg.in_process_executor,
    description="Train a candidate on the present records. It changes nothing until somebody promotes it.",
)


@dg.sensor(job=train_linkage_model, minimum_interval_seconds=3600, default_status=dg.DefaultSensorStatus.STOPPED)
def retrain_on_drift(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Train a candidate when the drift check failed last: once a month for each model in use. Off unless switched on."""
    record = context.instance.event_log_storage.get_latest_asset_check_execution_by_key([DRIFT_CHECK]).get(DRIFT_CHECK)
    event = record.event.dagster_event if record and record.event else None
    evaluation = event.asset_check_evaluation_data if event else None
    if evaluation is None or evaluation.passed:
        return dg.SensorResult(skip_reason="the records are like those that the model in use was trained on")
    version = str(evaluation.metadata["version"].value)
    month = date.fromtimestamp(record.create_timestamp).strftime("%Y-%m")  # type: ignore[union-attr]
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=f"{version}:{month}")])


@dg.definitions
def models() -> dg.Definitions:
    """The model in use, the check on it, and what trains another."""
    return dg.Definitions(
        assets=[linkage_model, linkage_model_candidate],
        asset_checks=[drift],
        jobs=[train_linkage_model],
        sensors=[retrain_on_drift],
    )

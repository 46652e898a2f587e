"""What starts the training of a candidate: a failed drift check, once a month for each model, and no daily run."""

import dagster as dg

from orchestration.defs.cleansing.models import DRIFT_CHECK, retrain_on_drift


def report(instance: dg.DagsterInstance, *, passed: bool, version: str = "abc") -> None:
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=DRIFT_CHECK.asset_key,
            check_name=DRIFT_CHECK.name,
            passed=passed,
            metadata={"version": dg.MetadataValue.text(version)},
            severity=dg.AssetCheckSeverity.WARN,
        )
    )


def run_keys(instance: dg.DagsterInstance) -> list[str | None]:
    result = retrain_on_drift(dg.build_sensor_context(instance))
    assert isinstance(result, dg.SensorResult)
    return [request.run_key for request in result.run_requests or []]


def test_nothing_starts_while_the_records_are_like_those_of_training() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert run_keys(instance) == []
        report(instance, passed=True)
        assert run_keys(instance) == []


def test_drift_starts_one_training_a_month_for_each_model() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        report(instance, passed=False)
        (first,) = run_keys(instance)
        report(instance, passed=False)
        assert run_keys(instance) == [first]
        report(instance, passed=False, version="def")
        (other,) = run_keys(instance)
    assert first is not None and first.startswith("abc:")
    assert other is not None and other.startswith("def:")


def test_the_sensor_is_off_and_no_day_trains() -> None:
    from orchestration.defs.automation import daily_run
    from orchestration.defs.cleansing.models import CANDIDATE_KEY, linkage_model, linkage_model_candidate

    assert retrain_on_drift.default_status is dg.DefaultSensorStatus.STOPPED
    chosen = daily_run.selection.resolve([linkage_model, linkage_model_candidate], allow_missing=True)
    assert CANDIDATE_KEY not in chosen
    assert linkage_model.key in chosen

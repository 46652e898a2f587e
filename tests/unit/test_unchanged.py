"""When a run made what a run would make now: what may change while it goes on, and what may not."""

from pathlib import Path

import pytest

from orchestration.ledger.promotions import append_promotion
from orchestration.ledger.store import Ledger
from orchestration.linkage.registry import put_in_use
from orchestration.unchanged import Means, _model


@pytest.mark.parametrize(
    ("before", "kept"),
    [("b", True), ("next: b", True), (None, True), ("a", False), ("next: a", False)],
)
def test_a_promoted_model_taken_into_use_is_no_change(before: str | None, kept: bool) -> None:
    assert Means("rules", before).kept_by(Means("rules", "b")) is kept
    assert not Means("other rules", before).kept_by(Means("rules", "b"))


def test_a_run_with_the_model_of_an_earlier_day_is_not_remembered() -> None:
    """A rebuild begins with the latest model and goes back to the first: no run of today would."""
    assert not Means("rules", "b").kept_by(Means("rules", "next: b"))


def test_the_model_is_the_one_promoted_last_and_marked_until_it_is_in_use(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    models = tmp_path / "models"
    assert _model(models, ledger) is None
    for version in ("a", "b"):
        (models / "linkage" / version).mkdir(parents=True)
        (models / "linkage" / version / "model.json").write_text(version)
        append_promotion(ledger, version, previous=None, reason="try", actor="anna", since=None)
    put_in_use("a", models)
    waiting = _model(models, ledger)
    put_in_use("b", models)
    assert waiting == f"next: {_model(models, ledger)}"
    (models / "linkage" / "b" / "model.json").write_text("changed by hand")
    assert waiting != f"next: {_model(models, ledger)}"

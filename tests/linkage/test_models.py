"""Models as artefacts: trained, kept, compared, promoted, gone back to; and the drift of records from them."""

import dataclasses
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import pytest
from linkage_people import load_population, load_rows, population

from orchestration.ledger.audit import entries
from orchestration.ledger.promotions import append_promotion, read_promotions
from orchestration.ledger.store import Ledger
from orchestration.linkage import LinkageError, LinkageModel
from orchestration.linkage.calibration import calibrate_on, shifted
from orchestration.linkage.comparing import compare_models
from orchestration.linkage.drift import Fingerprint, find_drift, take_fingerprint
from orchestration.linkage.judged import judged_weights
from orchestration.linkage.registry import (
    FILES_WITH_VALUES,
    choose_versions,
    current_model,
    kept_models,
    load_model,
    pointed,
    promote,
    put_in_use,
    settle,
    train_candidate,
    train_first_model,
)

DAY = date(2026, 1, 5)


@dataclasses.dataclass
class Shelf:
    """A folder of models, a ledger, and records to train on."""

    models: Path
    ledger: Ledger
    con: duckdb.DuckDBPyConnection
    first: LinkageModel


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    """The first model of 150 homes, trained once; take a copy of what you change."""
    con = duckdb.connect(":memory:")
    con.execute("set threads = 2")
    load_population(con, population(150))
    root = tmp_path_factory.mktemp("shelf")
    ledger = Ledger(f"sqlite:///{root / 'ledger.sqlite'}")
    first = train_first_model(con, "records", root / "models", ledger, DAY)
    yield Shelf(root / "models", ledger, con, first)
    con.close()


@pytest.fixture
def shelf(trained: Shelf, tmp_path: Path) -> Shelf:
    """The same with folders of its own."""
    trained.first.save(tmp_path / "models" / "linkage" / trained.first.version)
    put_in_use(trained.first.version, tmp_path / "models")
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    append_promotion(ledger, trained.first.version, previous=None, reason="first model", actor="pipeline", since=DAY)
    return Shelf(tmp_path / "models", ledger, trained.con, trained.first)


def another(model: LinkageModel, threshold: float = 40.0) -> LinkageModel:
    return dataclasses.replace(model, threshold_weight=threshold)


def test_the_first_model_is_promoted_by_the_pipeline(trained: Shelf) -> None:
    (promotion,) = read_promotions(trained.ledger)

    assert (promotion.version, promotion.decided_by, promotion.reason) == (
        trained.first.version,
        "pipeline",
        "first model",
    )
    assert promotion.first_used_on == DAY
    assert [entry.action for entry in entries(trained.ledger)] == ["model.promote"]
    found = current_model(trained.models)
    assert found is not None and found.version == trained.first.version


def test_a_version_keeps_all_that_tells_of_it(trained: Shelf) -> None:
    folder = trained.models / "linkage" / trained.first.version

    assert {path.name for path in folder.iterdir()} == {
        "model.json", "splink.json", "report.json", "fingerprint.json", "report.html"
    }  # fmt: skip
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "<svg" in page and trained.first.version in page
    assert "http" not in page.replace("http-equiv", "")


def test_only_the_named_files_hold_values_of_people(trained: Shelf) -> None:
    folder = trained.models / "linkage" / trained.first.version
    values = {
        value
        for (value,) in trained.con.execute(
            "select distinct lower(family_name) from records where length(family_name) > 5 "
            "union select distinct lower(email) from records where email is not null"
        ).fetchall()
    }
    for path in folder.iterdir():
        if path.name not in FILES_WITH_VALUES:
            text = path.read_text(encoding="utf-8").lower()
            assert not [value for value in values if value in text], path.name


def test_a_candidate_changes_nothing_until_it_is_promoted(shelf: Shelf) -> None:
    shelf.con.execute("create or replace temp view fewer as select * from records where record_id not like '%7'")
    candidate = train_candidate(shelf.con, "fewer", shelf.models)

    assert candidate.model.version != shelf.first.version
    assert pointed(shelf.models) == shelf.first.version
    assert "Weights beside those of" in (candidate.folder / "report.html").read_text(encoding="utf-8")
    assert [(model.version, model.in_use) for model in kept_models(shelf.models, shelf.ledger)] == [
        (shelf.first.version, True),
        (candidate.model.version, False),
    ]
    assert choose_versions(shelf.models, shelf.ledger, None, None) == (shelf.first.version, candidate.model.version)
    assert train_candidate(shelf.con, "fewer", shelf.models).known


def test_promoting_and_going_back(shelf: Shelf) -> None:
    other = another(shelf.first)
    other.save(shelf.models / "linkage" / other.version)

    before = promote(shelf.models, shelf.ledger, other.version, reason="better", actor="anna", since=DAY)

    assert before == shelf.first.version
    assert pointed(shelf.models) == other.version
    settled = settle(shelf.models, shelf.ledger, DAY)
    assert settled.model is not None and settled.model.version == other.version and not settled.notes
    assert read_promotions(shelf.ledger)[-1].first_used_on == DAY
    promote(shelf.models, shelf.ledger, shelf.first.version, reason="worse after all", actor="anna", since=DAY)
    assert pointed(shelf.models) == shelf.first.version
    assert [entry.actor for entry in entries(shelf.ledger)] == ["pipeline", "anna", "anna"]


@pytest.mark.parametrize(
    ("version", "reason", "words"),
    [("in use", "why", "in use already"), ("none", "why", "there is no"), ("in use", " ", "reason")],
)
def test_what_cannot_be_promoted(shelf: Shelf, version: str, reason: str, words: str) -> None:
    named = shelf.first.version if version == "in use" else version
    with pytest.raises(LinkageError, match=words):
        promote(shelf.models, shelf.ledger, named, reason=reason, actor="anna", since=DAY)
    assert len(read_promotions(shelf.ledger)) == 1


def test_the_ledger_holds_when_the_pointer_disagrees(shelf: Shelf) -> None:
    other = another(shelf.first)
    other.save(shelf.models / "linkage" / other.version)
    put_in_use(other.version, shelf.models)

    settled = settle(shelf.models, shelf.ledger, DAY)

    assert settled.model is not None and settled.model.version == shelf.first.version
    assert "the ledger holds" in settled.notes[0]
    assert pointed(shelf.models) == shelf.first.version
    (shelf.models / "linkage" / "in_use").unlink()
    assert "no pointer" in settle(shelf.models, shelf.ledger, DAY).notes[0]


def test_a_pointer_older_than_promotions_is_taken_over(shelf: Shelf, tmp_path: Path) -> None:
    empty = Ledger(f"sqlite:///{tmp_path / 'new.sqlite'}")

    settled = settle(shelf.models, empty, DAY)

    assert settled.model is not None and settled.model.version == shelf.first.version
    assert [promotion.version for promotion in read_promotions(empty)] == [shelf.first.version]


def test_a_lost_folder_is_a_clear_error(shelf: Shelf) -> None:
    folder = shelf.models / "linkage" / shelf.first.version
    folder.rename(folder.with_name("elsewhere"))

    with pytest.raises(LinkageError, match=r"Restore that folder from a backup"):
        settle(shelf.models, shelf.ledger, DAY)
    with pytest.raises(LinkageError, match=r"Restore that folder from a backup"):
        current_model(shelf.models)


def test_comparing_tells_who_would_come_apart_and_together(shelf: Shelf) -> None:
    tables = shelf.con.execute("show all tables").fetchall()
    strict = another(shelf.first)

    found = compare_models(shelf.con, shelf.first, strict, "records")
    back = compare_models(shelf.con, strict, shelf.first, "records")

    assert found.split > 0 and found.merged == 0
    assert found.customers_after > found.customers_before
    assert found.pairs_lost > 0 and found.pairs_gained == 0
    assert (back.merged, back.split, back.pairs_gained) == (found.split, 0, found.pairs_lost)
    for example in found.splits:
        assert sum(example.part_sizes) == example.records and len(example.parts) > 1
        known = shelf.con.execute(
            "select count(*) from records where list_contains(?, record_id)", [[r for p in example.parts for r in p]]
        ).fetchall()[0][0]
        assert known == example.records
    assert (found.threshold_before, found.threshold_after) == (shelf.first.threshold_weight, 40.0)
    assert not found.levels
    assert shelf.con.execute("show all tables").fetchall() == tables


def test_comparing_a_model_with_itself_finds_nothing(shelf: Shelf) -> None:
    found = compare_models(shelf.con, shelf.first, shelf.first, "records")

    assert (found.merged, found.split, found.pairs_gained, found.pairs_lost) == (0, 0, 0, 0)


def test_judgements_move_a_biased_model_the_right_way(shelf: Shelf) -> None:
    """A model that is six bits too cautious; a steward is asked about the pairs nearest its threshold."""
    biased = shifted(shelf.first, -6.0)
    shelf.con.execute(
        """
        create or replace temp table judgements as
        select one.record_id as record_id_l, other.record_id as record_id_r,
            case when one.person_id = other.person_id then 'must_link' else 'cannot_link' end as verdict
        from truth as one inner join truth as other on one.record_id < other.record_id
        where one.person_id = other.person_id or hash(one.record_id, other.record_id) % 400 = 0
        """
    )
    judged = judged_weights(shelf.con, biased, "records", "judgements")
    near = sorted(zip(abs(judged.weights), judged.left, judged.right, strict=True))[:80]
    shelf.con.execute("create or replace temp table asked (record_id_l varchar, record_id_r varchar)")
    shelf.con.executemany("insert into asked values (?, ?)", [[one, other] for _, one, other in near])
    shelf.con.execute(
        "create or replace table answers as select judgements.* from judgements semi join asked using (record_id_l, record_id_r)"
    )

    calibrated, found = calibrate_on(shelf.con, biased, "records", "answers")

    assert found is not None and found.judged_pairs == 80
    assert found.shift_bits > 1.0
    assert calibrated.version != biased.version
    assert calibrated.report["calibration"]["shift_bits"] == found.shift_bits
    weights = judged_weights(shelf.con, calibrated, "records", "answers").weights
    assert weights == pytest.approx(
        judged_weights(shelf.con, biased, "records", "answers").weights + found.shift_bits, abs=1e-4
    )


def test_judgements_on_records_that_are_not_there_change_nothing(shelf: Shelf) -> None:
    shelf.con.execute(
        "create or replace table gone as select 'x' as record_id_l, 'y' as record_id_r, 'must_link' as verdict"
    )
    model, found = calibrate_on(shelf.con, shelf.first, "records", "gone")
    assert found is None and model is shelf.first


def test_records_like_those_of_training_do_not_drift(trained: Shelf) -> None:
    before = Fingerprint.load(trained.models / "linkage" / trained.first.version / "fingerprint.json")
    assert before is not None
    assert find_drift(before, take_fingerprint(trained.con, "records", trained.first)) == []
    trained.con.execute("create or replace table most as select * from records where record_id not like '%3'")
    assert find_drift(before, take_fingerprint(trained.con, "most", trained.first)) == []


def test_drift_is_told_in_words(trained: Shelf) -> None:
    before = take_fingerprint(trained.con, "records", trained.first)
    trained.con.execute(
        """
        create or replace table moved as
        select * replace (null::varchar as phone, 'Xu' || hash(record_id) % 5 as family_name) from records
        """
    )

    found = find_drift(before, take_fingerprint(trained.con, "moved", trained.first))

    kinds = {(drift.attribute, drift.kind) for drift in found}
    assert ("phone", "fill_rate_change") in kinds
    assert ("family_name", "population_stability_index") in kinds
    assert ("family", "unseen_values_change") in kinds
    words = next(drift.words for drift in found if drift.attribute == "phone")
    assert "phone was filled in" in words and "now in 0%" in words


def test_a_fingerprint_of_nothing(con: duckdb.DuckDBPyConnection, trained: Shelf) -> None:
    load_rows(con, [])
    found = take_fingerprint(con, "records", trained.first)
    assert found.records == 0 and json.dumps(dataclasses.asdict(found))
    assert find_drift(found, found) == []


def test_a_version_that_is_not_there(shelf: Shelf) -> None:
    with pytest.raises(LinkageError, match="kindred model list"):
        load_model(shelf.models, "nope")

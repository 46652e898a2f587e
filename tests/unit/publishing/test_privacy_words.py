"""Privacy words: read from dbt's manifest wherever dbt keeps them, refused when missing, turned into SQL."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.publishing import PublishingError, UnknownPrivacyError, column_privacy, table_texts
from orchestration.publishing.columns import parse_privacy


def _model(name: str, columns: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "resource_type": "model", "name": name, "alias": name, "schema": "marts", "description": f"One row per {name}.",
        "config": {"materialized": "table", "enabled": True}, "columns": columns,
    } | changes  # fmt: skip


def _manifest(folder: Path, *nodes: dict[str, Any]) -> Path:
    path = folder / "manifest.json"
    path.write_text(json.dumps({"nodes": {f"{n['resource_type']}.kindred.{n['name']}": n for n in nodes}}))
    return path


def test_words_are_read_from_both_places(tmp_path: Path) -> None:
    columns = {
        "old": {"description": "Old place.", "meta": {"privacy": "token"}},
        "new": {"description": "New place.", "meta": {}, "config": {"meta": {"privacy": "prefix:2"}}},
        "both": {"meta": {"privacy": "clear"}, "config": {"meta": {"privacy": "drop"}}},
    }
    path = _manifest(tmp_path, _model("dim", columns))
    assert column_privacy(path) == {"marts.dim": {"old": "token", "new": "prefix:2", "both": "drop"}}
    assert table_texts(path)["marts.dim"].description == "One row per dim."
    assert table_texts(path)["marts.dim"].columns["new"] == "New place."


def test_only_relations_of_published_schemas_count(tmp_path: Path) -> None:
    bare = {"x": {"description": ""}}
    good = {"x": {"meta": {"privacy": "clear"}}}
    path = _manifest(
        tmp_path,
        _model("staged", bare, schema="staging"),
        _model("a_test", bare, resource_type="test"),
        _model("passing", bare, config={"materialized": "ephemeral"}),
        _model("off", bare, config={"materialized": "table", "enabled": False}),
        _model("history", good, resource_type="snapshot"),
        _model("kpis", good, schema="analysis", alias="daily_kpis"),
    )
    assert set(column_privacy(path)) == {"marts.history", "analysis.daily_kpis"}


@pytest.mark.parametrize(
    "meta",
    [{}, {"privacy": None}, {"privacy": ""}, {"privacy": "public"}, {"privacy": "prefix:0"}, {"privacy": ["token"]}],
)
def test_a_column_without_a_known_word_is_named(tmp_path: Path, meta: dict[str, Any]) -> None:
    path = _manifest(tmp_path, _model("dim", {"email": {"meta": meta}}))
    with pytest.raises(UnknownPrivacyError, match=r"Column email of marts\.dim .*nothing is published"):
        column_privacy(path)


@pytest.mark.parametrize("content", [None, "{", "[]", "{}"])
def test_a_manifest_that_is_none_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "manifest.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(PublishingError, match="dbt parse"):
        column_privacy(path)


@pytest.mark.parametrize(
    ("word", "value", "data_type", "published"),
    [
        ("clear", "'Köln'", "VARCHAR", "Köln"),
        ("year", "date '1984-12-31'", "DATE", 1984),
        ("year", "timestamp '2026-01-01 00:00:00'", "TIMESTAMP", 2026),
        ("year", "null::date", "DATE", None),
        ("prefix", "'SW1A 1AA'", "VARCHAR", "SW1"),
        ("prefix:2", "'80331'", "VARCHAR", "80"),
        ("prefix", "'101'", "VARCHAR", "1"),
        ("prefix", "'99'", "VARCHAR", None),
        ("prefix", "''", "VARCHAR", None),
        ("prefix", "null::varchar", "VARCHAR", None),
    ],
)
def test_what_each_word_publishes(word: str, value: str, data_type: str, published: object) -> None:
    sql = parse_privacy(word, "here").sql("v", data_type, "here")
    assert duckdb.execute(f"select {sql} from (select {value} as v)").fetchone() == (published,)


@pytest.mark.parametrize(("word", "data_type"), [("year", "VARCHAR"), ("year", "BIGINT"), ("prefix", "BIGINT")])
def test_a_word_that_does_not_fit_the_type_is_refused(word: str, data_type: str) -> None:
    with pytest.raises(UnknownPrivacyError, match=r"Column b of marts\.dim"):
        parse_privacy(word, "here").sql("b", data_type, "Column b of marts.dim")

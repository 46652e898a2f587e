"""The engine end to end on small populations: accuracy, determinism, guards, odd input."""

from pathlib import Path

import duckdb
import pytest
from linkage_people import load_population, load_rows, population

from orchestration.linkage import (
    CandidateBudgetError,
    LinkageError,
    LinkageModel,
    ModelError,
    cluster,
    evaluate,
    score,
    train,
)
from orchestration.linkage.blocking import Budget


def resolve(con: duckdb.DuckDBPyConnection, model: LinkageModel | None = None) -> LinkageModel:
    """Train when no model is given; leaves `edges` and `members`."""
    used = model or train(con, "records")
    score(con, used, "records", "edges")
    cluster(con, used, "records", "edges", "members")
    return used


def clusters(con: duckdb.DuckDBPyConnection) -> list[tuple[str, str, float]]:
    return con.execute("select record_id, cluster_id, match_probability from members order by 1").fetchall()


def test_families_are_kept_apart_and_people_together(con: duckdb.DuckDBPyConnection) -> None:
    load_population(con, population(300))
    resolve(con)
    scores = evaluate(con, "members", "truth", cluster_col="cluster_id")
    assert scores.pairwise_precision > 0.97
    assert scores.pairwise_recall > 0.9
    assert scores.largest_cluster <= 4


def test_only_the_targets_are_left_behind(con: duckdb.DuckDBPyConnection) -> None:
    load_population(con, population(30))
    resolve(con)
    names = {row[0] for row in con.execute("select table_name from duckdb_tables()").fetchall()}
    assert names == {"records", "truth", "edges", "members"}
    assert con.execute("select count(*) from duckdb_views() where not internal").fetchall() == [(0,)]


def test_every_record_is_in_one_cluster_and_edges_explain(con: duckdb.DuckDBPyConnection) -> None:
    load_population(con, population(60))
    model = resolve(con)
    assert (
        con.execute("select count(*), count(distinct record_id) from members").fetchall()
        == con.execute("select count(*), count(*) from records").fetchall()
    )
    columns = [row[0] for row in con.execute("describe edges").fetchall()]
    assert columns[:7] == [
        "record_id_l", "record_id_r", "match_weight", "match_probability", "model_version", "identical", "closing",
    ]  # fmt: skip
    assert columns[7:] == [f"gamma_{comparison.name}" for comparison in model.comparisons]
    assert con.execute("select count(*) from edges where record_id_l >= record_id_r").fetchall() == [(0,)]


def test_two_runs_and_any_order_of_rows_give_the_same(con: duckdb.DuckDBPyConnection) -> None:
    load_population(con, population(120))
    model = resolve(con)
    first_edges = con.execute("select * from edges order by 1, 2").fetchall()
    first_members = clusters(con)
    con.execute("create or replace table records as select * from records order by hash(record_id)")
    again = resolve(con)
    assert again.version == model.version
    assert con.execute("select * from edges order by 1, 2").fetchall() == first_edges
    assert clusters(con) == first_members


def test_a_saved_model_scores_the_same(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    load_population(con, population(60))
    model = resolve(con)
    first = con.execute("select * from edges order by 1, 2").fetchall()
    model.save(tmp_path / model.version)
    loaded = LinkageModel.load(tmp_path / model.version)
    assert loaded.version == model.version
    resolve(con, loaded)
    assert con.execute("select * from edges order by 1, 2").fetchall() == first


def test_an_edited_or_missing_model_is_refused(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    load_population(con, population(20))
    train(con, "records").save(tmp_path)
    with pytest.raises(ModelError, match="no linkage model"):
        LinkageModel.load(tmp_path / "nowhere")
    path = tmp_path / "model.json"
    path.write_text(path.read_text().replace('"threshold_weight": ', '"threshold_weight": 1'))
    with pytest.raises(ModelError, match="never edited"):
        LinkageModel.load(tmp_path)
    path.write_text("{}")
    with pytest.raises(ModelError, match="train it again"):
        LinkageModel.load(tmp_path)


@pytest.mark.parametrize("field", ["phone", "national_id"])
def test_one_identifier_shared_by_a_thousand_merges_nobody(con: duckdb.DuckDBPyConnection, field: str) -> None:
    people = population(480)[:1000]
    shared = {"phone": "+14152003000", "national_id": "A4711"}[field]
    rows: list[dict[str, str | None]] = [
        {
            "record_id": f"r{p.number:05d}",
            "given_name": p.given,
            "family_name": p.family,
            "birth_date": p.born,
            "street": p.street,
            field: shared,
        }
        for p in people
    ]
    load_rows(con, rows)
    resolve(con)
    assert (
        con.execute("select max(n) from (select count(*) as n from members group by cluster_id)").fetchall()[0][0] <= 2
    )
    assert con.execute("select count(distinct cluster_id) from members").fetchall()[0][0] >= len(people) - 3


def test_thousands_of_identical_records_neither_explode_nor_disturb_others(con: duckdb.DuckDBPyConnection) -> None:
    load_population(con, population(150))
    con.execute(
        """
        insert into records by name
        select 'same:' || number as record_id, 's' as source, 'Zelda' as given_name, 'Quibble' as family_name,
            date '1971-05-06' as birth_date, 'zelda.quibble@mail.org' as email
        from range(5000) as numbers (number)
        """
    )
    resolve(con)
    assert con.execute(
        "select count(*), count(distinct cluster_id) from members where record_id like 'same:%'"
    ).fetchall() == [(5000, 1)]
    scores = evaluate(con, "members", "truth", cluster_col="cluster_id")
    assert scores.pairwise_precision > 0.95


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_tiny_tables_are_resolved_soundly(con: duckdb.DuckDBPyConnection, count: int) -> None:
    person: dict[str, str | None] = {
        "given_name": "Anna", "family_name": "Quibble", "birth_date": "1980-02-03", "email": "anna@quibble.org",
    }  # fmt: skip
    other: dict[str, str | None] = {
        "given_name": "Jorge", "family_name": "Oyelaran", "birth_date": "1955-12-30", "email": "jorge@elsewhere.net",
    }  # fmt: skip
    rows = [{"record_id": "a", **person}, {"record_id": "b", **person}, {"record_id": "c", **other}][:count]
    load_rows(con, rows)
    resolve(con)
    expected = {"a": "a", "b": "a", "c": "c"}
    assert {record: name for record, name, _ in clusters(con)} == {
        row["record_id"]: expected[str(row["record_id"])] for row in rows
    }


def test_records_that_say_nothing_stay_alone(con: duckdb.DuckDBPyConnection) -> None:
    load_rows(con, [{"record_id": f"r{number}"} for number in range(50)])
    resolve(con)
    assert all(record == name and probability == 1.0 for record, name, probability in clusters(con))


def test_one_common_name_alone_merges_nobody(con: duckdb.DuckDBPyConnection) -> None:
    load_rows(con, [{"record_id": f"r{n:04d}", "given_name": "John" if n % 2 else "Mary"} for n in range(2000)])
    resolve(con)
    assert con.execute("select count(distinct cluster_id) from members").fetchall() == [(2000,)]


def test_odd_values_are_survived(con: duckdb.DuckDBPyConnection) -> None:
    odd = [
        "'; drop table x; --",
        "x" * 1_000_000,
        "Ольга",
        "王小明",
        "محمد",
        'a:b|c,"d"',
        "\u202e\u0000".replace("\x00", ""),
        "-",
    ]
    rows: list[dict[str, str | None]] = [
        {
            "record_id": f"'{number}\":{value[:3]}",
            "given_name": value,
            "family_name": value,
            "street": value,
            "email": value,
        }
        for number, value in enumerate(odd * 2)
    ]
    load_rows(con, rows)
    resolve(con)
    assert con.execute("select count(*) from members").fetchall() == [(len(rows),)]


def test_transliterated_names_meet(con: duckdb.DuckDBPyConnection) -> None:
    load_population(con, population(60))
    con.execute(
        """
        insert into records by name values
            ('x:1', 's', 'Ольга', 'Петрова', date '1990-04-05'), ('x:2', 's', 'Olga', 'Petrova', date '1990-04-05')
        """.replace("by name", "(record_id, source, given_name, family_name, birth_date)")
    )
    resolve(con)
    names = dict(con.execute("select record_id, cluster_id from members where record_id like 'x:%'").fetchall())
    assert names["x:1"] == names["x:2"]


def test_repeated_and_null_ids_are_refused(con: duckdb.DuckDBPyConnection) -> None:
    load_rows(con, [{"record_id": "a"}, {"record_id": "a"}])
    with pytest.raises(LinkageError, match="'a' in 2 row"):
        train(con, "records")
    con.execute("create or replace table records as select null::varchar as record_id")
    with pytest.raises(LinkageError, match="null"):
        train(con, "records")


def test_a_model_meets_records_with_other_columns(con: duckdb.DuckDBPyConnection) -> None:
    load_population(con, population(60))
    con.execute("alter table records add column extra_occupation varchar")
    con.execute("update records set extra_occupation = ['smith', 'baker', 'clerk'][1 + length(family_name) % 3]")
    model = train(con, "records")
    con.execute("create or replace table records as select record_id, given_name, birth_date from records")
    resolve(con, model)
    assert (
        con.execute("select count(*) from members").fetchall() == con.execute("select count(*) from records").fetchall()
    )


def test_more_pairs_than_the_budget_are_refused_loudly(con: duckdb.DuckDBPyConnection) -> None:
    load_rows(
        con,
        [
            {
                "record_id": f"r{n:04d}",
                "given_name": "John" if n % 2 else "Mary",
                "family_name": "Smith" if n % 3 else "Jones",
                "middle_name": f"x{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}{chr(97 + n // 676)}",
            }
            for n in range(1500)
        ],
    )
    with pytest.raises(CandidateBudgetError, match="budget"):
        train(con, "records", budget=Budget(pairs_per_record=0.01, pairs_per_record_and_key=0.01, pairs_at_least=10))


def test_judgements_hold_against_the_evidence(con: duckdb.DuckDBPyConnection) -> None:
    load_population(con, population(60))
    model = resolve(con)
    together = con.execute(
        "select min(record_id), max(record_id) from members group by cluster_id having count(*) = 2 order by 1 limit 1"
    ).fetchall()[0]
    apart = con.execute(
        "select record_id from members where record_id not in (?, ?) order by 1 limit 2", list(together)
    ).fetchall()
    con.execute("create table judgements (record_id_l varchar, record_id_r varchar, verdict varchar)")
    con.execute("insert into judgements values (?, ?, 'cannot_link')", list(together))
    con.execute("insert into judgements values (?, ?, 'must_link')", [apart[1][0], apart[0][0]])
    cluster(con, model, "records", "edges", "members", judgements="judgements")
    names = {record: name for record, name, _ in clusters(con)}
    assert names[together[0]] != names[together[1]]
    assert names[apart[0][0]] == names[apart[1][0]]

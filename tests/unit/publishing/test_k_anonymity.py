"""k-anonymity: measured as defined, enforced for what is public, withheld without breaking it."""

from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.publishing import LeakError, PublishingError, SmallGroupsError, publish_public
from orchestration.publishing.columns import parse_privacy
from orchestration.publishing.k_anonymity import PublicTable, is_quasi_identifier, measure, parse_public, withhold
from orchestration.publishing.public import PublicPlan, plan_public

COLUMNS: dict[str, dict[str, Any]] = {
    "country": {"privacy": "clear"}, "birth_date": {"privacy": "year"}, "gender": {"privacy": "clear"},
    "orders": {"privacy": "clear"},
}  # fmt: skip
# Six people of one group, and one who stands alone.
PEOPLE = [("GB", "1980-01-01", "f", 1)] * 6 + [("CH", "1921-05-05", "m", 9)]


def _warehouse(folder: Path, people: list[tuple[Any, ...]] | None = None) -> Path:
    path = folder / "kindred.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.open (country varchar, birth_date date, gender varchar, orders integer)")
        connection.executemany("insert into marts.open values (?, ?, ?, ?)", people or PEOPLE)
    return path


def _plan(columns: dict[str, dict[str, Any]] = COLUMNS, **public: Any) -> PublicPlan:
    mark = parse_public(public or True, "marts.open")
    assert mark is not None
    return plan_public("marts.open", mark, columns)


def _rows(folder: Path) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(folder / "public.duckdb"), read_only=True) as connection:
        return connection.execute("from marts.open order by all").fetchall()


def test_quasi_identifiers_are_known_by_word_by_name_or_because_the_model_says_so() -> None:
    assert _plan().quasi_identifiers == ("country", "birth_date", "gender")
    assert is_quasi_identifier("employer", parse_privacy("clear", ""), True)
    assert is_quasi_identifier("employer", parse_privacy("common", ""), None)
    assert not is_quasi_identifier("country", parse_privacy("clear", ""), False)
    assert not is_quasi_identifier("gender", parse_privacy("drop", ""), None)
    assert not is_quasi_identifier("percentage", parse_privacy("clear", ""), None)


def test_a_person_who_stands_alone_blocks_publishing_and_the_old_file_stays(tmp_path: Path) -> None:
    good = _warehouse(tmp_path, PEOPLE[:6])
    published = publish_public(good, tmp_path / "out", [_plan()], 5)
    assert published is not None
    assert published.anonymity[0].k == 6
    before = published.path.read_bytes()
    (tmp_path / "bad").mkdir()
    with pytest.raises(SmallGroupsError) as refusal:
        publish_public(_warehouse(tmp_path / "bad"), tmp_path / "out", [_plan()], 5)
    message = str(refusal.value)
    assert "marts.open is marked public, and 1 of its 7 people are in groups of fewer than 5" in message
    assert "share country, birth_date, gender" in message
    assert "smallest groups are of 1, 6" in message
    assert "small_groups: suppress" in message
    assert "CH" not in message
    assert "1921" not in message
    assert published.path.read_bytes() == before


def test_the_same_people_pass_with_fewer_columns_or_a_smaller_k(tmp_path: Path) -> None:
    warehouse = _warehouse(tmp_path, [*PEOPLE[:6], ("GB", "1980-01-01", "m", 2), ("GB", "1980-01-01", "m", 3)])
    with pytest.raises(SmallGroupsError):
        publish_public(warehouse, tmp_path, [_plan()], 3)
    assert publish_public(warehouse, tmp_path, [_plan()], 2) is not None
    coarser = _plan({**COLUMNS, "gender": {"privacy": "drop"}})
    assert publish_public(warehouse, tmp_path, [coarser], 8) is not None


def test_small_groups_are_blanked_in_order_and_then_left_out(tmp_path: Path) -> None:
    people = [*PEOPLE, ("GB", "1980-01-01", "m", 2), ("GB", "1980-01-01", "d", 3), *[("CH", "1921-05-05", "f", 1)] * 2]
    plan = _plan(small_groups="suppress", generalise=["gender"])
    published = publish_public(_warehouse(tmp_path, people), tmp_path, [plan], 2)
    assert published is not None
    assert _rows(tmp_path) == [
        ("CH", 1921, "f", 1), ("CH", 1921, "f", 1), *[("GB", 1980, "f", 1)] * 6, ("GB", 1980, None, 2), ("GB", 1980, None, 3),
    ]  # fmt: skip
    assert published.anonymity[0].people_withheld == 1
    with duckdb.connect(str(published.path), read_only=True) as connection:
        assert connection.execute("select k, required_k, people, people_withheld from meta.k_anonymity").fetchall() == [
            (2, 2, 10, 1)
        ]


def test_rows_that_count_people_are_added_up(tmp_path: Path) -> None:
    columns: dict[str, dict[str, Any]] = {
        "country": {"privacy": "clear"}, "gender": {"privacy": "clear"}, "birth_date": {"privacy": "drop"},
        "orders": {"privacy": "clear"},
    }  # fmt: skip
    counted = [("GB", None, "f", 50), ("GB", None, "m", 3), ("GB", None, "d", 4), ("CH", None, "f", 2)]
    plan = _plan(columns, people="orders", small_groups="suppress", generalise=["gender"])
    published = publish_public(_warehouse(tmp_path, counted), tmp_path, [plan], 5)
    assert published is not None
    assert _rows(tmp_path) == [("GB", "f", 50), ("GB", None, 7)]
    assert (published.anonymity[0].k, published.anonymity[0].people_withheld) == (7, 2)


@given(
    people=st.lists(st.tuples(*[st.sampled_from([None, "a", "b", "c"])] * 3), max_size=60),
    required=st.integers(2, 7),
    generalise=st.permutations(["x", "y", "z"]).flatmap(lambda order: st.sampled_from([order[:n] for n in range(4)])),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_what_is_left_is_always_k_anonymous(
    people: list[tuple[str | None, ...]], required: int, generalise: list[str]
) -> None:
    with duckdb.connect() as connection:
        connection.execute("create temp table t (x varchar, y varchar, z varchar)")
        if people:
            connection.executemany("insert into t values (?, ?, ?)", people)
        withheld = withhold(
            connection, "t", ["x", "y", "z"], PublicTable(None, "suppress", tuple(generalise)), required
        )
        left = connection.execute("from t").fetchall()
        found = measure(connection, "t", "t", ["x", "y", "z"], required=required)
    assert len(left) + withheld == len(people)
    sizes = [left.count(row) for row in set(left)]
    assert found.k == min(sizes, default=None)
    assert all(size >= required for size in sizes)
    assert found.people_in_small_groups == 0


def test_a_token_is_not_public(tmp_path: Path) -> None:
    with pytest.raises(PublishingError, match="shows customer_id as tokens"):
        _plan({**COLUMNS, "customer_id": {"privacy": "token"}})


def test_an_address_in_a_public_column_is_found(tmp_path: Path) -> None:
    warehouse = _warehouse(tmp_path, [("anna@firm.example", "1980-01-01", "f", 1)] * 6)
    with pytest.raises(LeakError, match=r"Column country of marts\.open shows an e-mail address \(1 distinct"):
        publish_public(warehouse, tmp_path / "out", [_plan()], 5)
    assert not (tmp_path / "out" / "public.duckdb").exists()


def test_a_table_that_is_no_longer_public_is_withdrawn(tmp_path: Path) -> None:
    warehouse = _warehouse(tmp_path, PEOPLE[:6])
    published = publish_public(warehouse, tmp_path, [_plan()], 5)
    assert published is not None
    assert publish_public(warehouse, tmp_path, [], 5) is None
    assert not published.path.exists()


def test_a_column_that_came_since_is_not_published_silently(tmp_path: Path) -> None:
    warehouse = _warehouse(tmp_path, PEOPLE[:6])
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("alter table marts.open add column secret varchar")
    with pytest.raises(PublishingError, match="secret is not described"):
        publish_public(warehouse, tmp_path, [_plan()], 5)


@pytest.mark.parametrize(
    ("mark", "match"),
    [("yes", "not understood"), ({"k": 3}, "not understood"), ({"small_groups": "hide"}, "refuse and suppress")],
)
def test_a_mark_that_says_something_unknown_is_refused(mark: object, match: str) -> None:
    with pytest.raises(PublishingError, match=match):
        parse_public(mark, "marts.open")


@pytest.mark.parametrize(
    ("public", "match"),
    [({"generalise": ["orders"]}, "none of its quasi-identifiers"), ({"people": "nobody"}, "no countable column")],
)
def test_a_mark_that_names_no_such_column_is_refused(public: dict[str, Any], match: str) -> None:
    with pytest.raises(PublishingError, match=match):
        _plan(**public)

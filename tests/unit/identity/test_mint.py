"""Customer ids come from the founding record, whatever the clusters are called and however the rows are ordered."""

from hashlib import sha256

import duckdb
from hypothesis import given
from hypothesis import strategies as st

from orchestration.identity import assign_customer_ids


def minted(members: list[tuple[str, str]], loaded: dict[str, str]) -> dict[str, str]:
    with duckdb.connect() as con:
        con.execute("create table clusters (record_id varchar, cluster_id varchar, match_probability double)")
        con.execute("create table records (record_id varchar, first_load_date date)")
        con.executemany("insert into clusters values (?, ?, 1.0)", [list(member) for member in members])
        con.executemany("insert into records values (?, ?)", [[record, day] for record, day in loaded.items()])
        assign_customer_ids(con, "clusters", "records", "memberships")
        return dict(con.execute("select record_id, customer_id from memberships").fetchall())


def test_the_record_that_was_loaded_first_founds_the_customer() -> None:
    ids = minted(
        [("crm:9", "x"), ("shop:1", "x"), ("web:5", "y")],
        {"crm:9": "2026-01-05", "shop:1": "2026-01-06", "web:5": "2026-01-05"},
    )
    assert ids["crm:9"] == ids["shop:1"] == "cus_" + sha256(b"crm:9").hexdigest()[:20]
    assert ids["web:5"] != ids["crm:9"]


def test_records_of_one_day_are_told_apart_by_their_id() -> None:
    assert minted([("b:1", "x"), ("a:2", "x")], {"b:1": "2026-01-05", "a:2": "2026-01-05"})["b:1"] == (
        "cus_" + sha256(b"a:2").hexdigest()[:20]
    )


@given(st.dictionaries(st.integers(0, 60), st.integers(0, 8), min_size=1), st.randoms(use_true_random=False))
def test_names_of_clusters_and_order_of_rows_do_not_matter(cluster_of: dict[int, int], random: object) -> None:
    loaded = {f"s:{record}": f"2026-01-{5 + record % 3:02}" for record in cluster_of}
    members = [(f"s:{record}", f"c{cluster}") for record, cluster in cluster_of.items()]
    renamed = [(record, f"other {cluster}") for record, cluster in members]
    random.shuffle(renamed)  # type: ignore[attr-defined]
    ids = minted(members, loaded)
    assert ids == minted(renamed, loaded)
    assert set(ids) == set(loaded)
    assert len(set(ids.values())) == len(set(cluster_of.values()))

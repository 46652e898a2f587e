"""No personal value of the working tables is in the published file, whatever it looks like.

A byte scan alone could miss a value that DuckDB stored compressed, so the values of every table are scanned too; a clear
column shows that both scans find what is there.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestration.publishing import publish_analytics

PERSONAL = {
    "given_name": "token", "email": "token", "phone": "token:telephone", "street": "drop", "postcode": "prefix",
    "national_id": "token", "notes": "drop", "birth_date": "year",
}  # fmt: skip
WORDS = {"marts.dim_customer": {"shown": "clear", **PERSONAL}}
TEXT_COLUMNS = [name for name in PERSONAL if name != "birth_date"]

canary = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=6, max_size=40).map(
    lambda text: f"κανάρι-{text}-金絲雀"
)
people = st.lists(st.fixed_dictionaries(dict.fromkeys(TEXT_COLUMNS, canary)), min_size=1, max_size=12)


@given(people=people)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_canaries_are_not_found(people: list[dict[str, str]]) -> None:
    with TemporaryDirectory() as folder:
        warehouse = Path(folder) / "kindred.duckdb"
        with duckdb.connect(str(warehouse)) as connection:
            connection.execute("create schema marts")
            columns = ", ".join(f"{name} varchar" for name in TEXT_COLUMNS)
            connection.execute(f"create table marts.dim_customer (shown varchar, birth_date date, {columns})")
            connection.executemany(
                f"insert into marts.dim_customer values (?, date '1987-11-23', {', '.join('?' * len(TEXT_COLUMNS))})",
                [
                    [f"customer-in-clear-{i}", *(person[name] for name in TEXT_COLUMNS)]
                    for i, person in enumerate(people)
                ],
            )
        published = publish_analytics(warehouse, Path(folder) / "out", WORDS, b"s" * 32)
        content = published.path.read_bytes()
        with duckdb.connect(str(published.path), read_only=True) as connection:
            values = "\n".join(str(row) for row in connection.execute("from marts.dim_customer").fetchall())
            catalog = "\n".join(
                str(row)
                for view in ("duckdb_columns", "duckdb_tables", "duckdb_views", "duckdb_constraints")
                for row in connection.execute(f"from {view}() where database_name = current_database()").fetchall()
            )
    assert "customer-in-clear-0" in values
    assert b"customer-in-clear-0" in content
    for person in people:
        for value in person.values():
            assert value not in values
            assert value not in catalog
            assert value.encode() not in content
    assert "1987-11-23" not in values + catalog

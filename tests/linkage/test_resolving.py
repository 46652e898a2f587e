"""Resolving files of any shape."""

from pathlib import Path

import duckdb
import pytest
from linkage_people import load_population, population

from orchestration.linkage import LinkageError, resolve_files


def write_people(con: duckdb.DuckDBPyConnection, folder: Path) -> Path:
    """A raw CSV with column names, dates and phones as a shop would write them."""
    load_population(con, population(80))
    path = folder / "people.csv"
    con.execute(
        f"""
        copy (
            select
                record_id as "Customer No", given_name as first_name, upper(family_name) as Surname,
                strftime(birth_date, '%d.%m.%Y') as dob, email as "E-Mail", phone, street as address_1,
                postcode as zip, source as channel
            from records
        ) to '{path}' (format csv, header)
        """
    )
    return path


def test_raw_files_become_people(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    path = write_people(con, tmp_path)
    out, report = tmp_path / "out.parquet", tmp_path / "report.html"
    resolution = resolve_files([path], "Customer No", "channel", out=out, report=report)
    rows = con.execute(f"select * from '{out}'")
    assert [column[0] for column in rows.description] == ["record_id", "source", "customer_id", "match_probability"]
    assert resolution.records == con.execute("select count(*) from records").fetchall()[0][0]
    right = con.execute(
        f"""
        select count(*) filter (where a.customer_id = b.customer_id) / count(*)
        from '{out}' as a inner join '{out}' as b
        on split_part(a.record_id, ':', 2) = split_part(b.record_id, ':', 2) and a.record_id < b.record_id
        """
    ).fetchall()[0][0]
    assert right > 0.85
    page = report.read_text()
    assert "http" not in page.replace("http-equiv", "")
    assert f"{resolution.records:,} records are {resolution.customers:,} customers</h1>" in page
    assert "<td>given name</td>" in page and "class=same" in page and "class=other" in page
    assert page.index("Put together, the least certain") < page.index("<details>") < page.index("What agreement says")


def test_a_trained_model_is_used_again(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    path = write_people(con, tmp_path)
    first = resolve_files([path], "Customer No", out=tmp_path / "a.csv")
    again = resolve_files([path], "Customer No", out=tmp_path / "b.csv", model=first.model)
    assert again.customers == first.customers
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    with pytest.raises(LinkageError, match="no such file"):
        resolve_files([tmp_path / "absent.csv"], "id", out=out)
    strange = tmp_path / "people.xyz"
    strange.write_text("id\n1\n")
    with pytest.raises(LinkageError, match="xyz"):
        resolve_files([strange], "id", out=out)
    twice = tmp_path / "people.csv"
    twice.write_text("id,first_name\n1,Anna\n1,Olga\n")
    with pytest.raises(LinkageError, match="'1' in 2 row"):
        resolve_files([twice], "id", out=out)
    with pytest.raises(LinkageError, match="'key' is not in the files"):
        resolve_files([twice], "key", out=out)


@pytest.mark.parametrize(
    "text", ["id,first_name\n", "id\n1\n2\n3\n", "id,first_name\n1,\n2,\n", 'id,x\n"a,""b",1\n"c;\'d",1\n']
)
def test_poor_files_leave_everybody_alone(tmp_path: Path, text: str) -> None:
    path, out = tmp_path / "poor.csv", tmp_path / "out.csv"
    path.write_text(text)
    resolution = resolve_files([path], "id", out=out)
    assert resolution.customers == resolution.records

"""Bad input of `kindred resolve`: clear errors or sound results, never a trace of the stack."""

from pathlib import Path

import duckdb
import pytest
from linkage_people import FAMILY, GIVEN
from typer.testing import CliRunner

from orchestration.cli import app
from orchestration.linkage import LinkageError, ModelError, resolve_files

Answer = dict[str, str]


def resolved(folder: Path, text: str | bytes, name: str = "people.csv") -> Answer:
    """Customer id by record id of a file with this content."""
    path, out = folder / name, folder / "out.parquet"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    resolve_files([path], "id", out=out)
    return dict(duckdb.sql(f"select record_id, customer_id from '{out}'").fetchall())


def test_dates_of_several_formats_in_one_column_meet(tmp_path: Path) -> None:
    found = resolved(
        tmp_path,
        "id,first_name,last_name,dob\n1,Anna,Quibble,1980-01-02\n2,Anna,Quibble,02/01/1980\n3,Anna,Quibble,2 Jan 1980\n"
        "4,Bo,Lund,25/12/1970\n5,Bo,Lund,1970-12-25\n6,Cy,Moss,13/05/1960\n7,Dee,Nagy,not a date\n",
    )
    assert found["1"] == found["2"] == found["3"]
    assert found["4"] == found["5"]
    assert len(set(found.values())) == 4


def test_scripts_meet(tmp_path: Path) -> None:
    found = resolved(
        tmp_path,
        "id,name,dob\n1,王小明,1980-01-02\n2,Wang Xiaoming,1980-01-02\n3,Ольга Петрова,1970-03-04\n4,Olga Petrova,1970-03-04\n"
        "5,محمد علي,1990-01-01\n6,Παπαδόπουλος Γιώργος,1985-05-06\n",
    )
    assert found["1"] == found["2"]
    assert found["3"] == found["4"]
    assert len(set(found.values())) == 4


def test_ids_with_separators_and_quotes_come_back_as_given(tmp_path: Path) -> None:
    found = resolved(
        tmp_path,
        'id,first_name,last_name,email\n"a,""b|c",Zelda,Quibble,z@q.org\n"c;\'d e",Zelda,Quibble,z@q.org\n"a:b",Jo,Lind,j@l.org\n',
    )
    assert set(found) == {'a,"b|c', "c;'d e", "a:b"}
    assert found['a,"b|c'] == found["c;'d e"] != found["a:b"]


def test_a_name_of_a_megabyte_is_survived(tmp_path: Path) -> None:
    found = resolved(tmp_path, "id,first_name,last_name\n1," + "xyz" * 333_000 + ",Quibble\n2,Anna,Quibble\n")
    assert found["1"] != found["2"]


def test_ten_thousand_identical_records_are_one_person(tmp_path: Path) -> None:
    rows = "".join(f"{number},Zelda,Quibble,z@q.org\n" for number in range(10_000))
    assert len(set(resolved(tmp_path, "id,first_name,last_name,email\n" + rows).values())) == 1


def test_latin_letters_are_read(tmp_path: Path) -> None:
    found = resolved(tmp_path, "id,first_name,last_name\n1,Jörg,Müller\n".encode("latin-1"))
    assert found == {"1": found["1"]}


def test_a_family_name_alone_is_not_enough_in_a_handful_of_records(tmp_path: Path) -> None:
    assert len(set(resolved(tmp_path, "id,last_name\n1,Quibble\n2,Quibble\n3,Lund\n").values())) == 3


@pytest.mark.parametrize(("name", "text"), [("a.csv", ""), ("a.jsonl", '{"id":1\n{{'), ("a.parquet", "no parquet")])
def test_what_is_no_table_is_refused_by_name(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(LinkageError, match=r"a\.|not in the files"):
        resolved(tmp_path, text, name)


def test_a_model_may_be_a_file_and_has_to_fit(tmp_path: Path) -> None:
    people, cards = tmp_path / "people.csv", tmp_path / "cards.csv"
    people.write_text("id,first_name,last_name\n" + "".join(f"{n},Anna{n % 20},Quibble{n % 20}\n" for n in range(40)))
    cards.write_text("id,email\n1,a@b.org\n2,c@d.org\n")
    model = resolve_files([people], "id", out=tmp_path / "out.csv").model
    model.save(tmp_path / "model")
    runner, out = CliRunner(), tmp_path / "again.csv"
    arguments = ["resolve", str(people), "--id", "id", "--out", str(out), "--model"]
    for given in (tmp_path / "model", tmp_path / "model" / "model.json"):
        done = runner.invoke(app, [*arguments, str(given)])
        assert done.exit_code == 0, done.output
        assert out.read_text() == (tmp_path / "out.csv").read_text()
    with pytest.raises(ModelError, match="fill none of these"):
        resolve_files([cards], "id", out=out, model=model)


def test_the_report_tells_a_steward_what_came_out(tmp_path: Path) -> None:
    path, report = tmp_path / "people.csv", tmp_path / "report.html"
    people = [(given, family, f"{given}.{family}@q.org") for given, family in zip(GIVEN[:30], FAMILY[:30], strict=True)]
    rows = "".join(f"{n},{','.join(people[n // 2][: 3 - n % 2])}{',' * (n % 2)}\n" for n in range(60))
    path.write_text("id,first_name,last_name,email\n" + rows)
    resolve_files([path], "id", out=tmp_path / "out.csv", report=report)
    page = report.read_text()
    for expected in (
        "expected precision",
        "60 records are 30 customers",
        "Examples",
        "james.smith@q.org",
        "m and u",
        "every pair",
    ):
        assert expected in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")

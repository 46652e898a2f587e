"""Adding and removing: all or nothing, and nothing of anybody else's."""

from pathlib import Path

import pyarrow as pa
import pytest
import yaml

from orchestration.config import PROJECT_ROOT
from orchestration.scaffold import source as scaffold
from orchestration.scaffold.check import check_contracts
from orchestration.scaffold.errors import ScaffoldError
from orchestration.scaffold.source import add_source, plan_removal, remove_source
from orchestration.sources.contract import load_contract, load_contracts
from tests.unit.scaffold.conftest import DAY, OwnSettings
from tests.unit.scaffold.user_files import crm_contacts, german_customers, order_lines


def tree(settings: OwnSettings) -> list[str]:
    root = settings.data.parent
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file() and p.parent != root)


@pytest.mark.parametrize("make", [german_customers, crm_contacts, order_lines])
def test_what_is_written_is_valid(settings: OwnSettings, tmp_path: Path, make) -> None:  # type: ignore[no-untyped-def]
    added = add_source(settings, make(tmp_path), "own", DAY)

    assert added.rows_quarantined == 0
    contract = load_contract(added.contract)
    assert {role for table in contract.tables for role in table.feeds} == set(added.plan.feeds)
    for role in added.plan.feeds:
        model = (added.staging / f"stg_own__{role}.sql").read_text(encoding="utf-8")
        assert model.startswith("{{ config(enabled = source_is_active('own')) }}")
    described = yaml.safe_load((added.staging / "_own__models.yml").read_text(encoding="utf-8"))["models"]
    assert [model["name"] for model in described] == [f"stg_own__{role}" for role in added.plan.feeds]
    assert (added.landed.parent / "_SUCCESS").exists()
    report = check_contracts(settings)
    assert (report.ok, report.findings) == (True, ())
    assert report.rows == added.rows_loaded


def test_no_value_of_the_file_is_written_down(settings: OwnSettings, tmp_path: Path) -> None:
    added = add_source(settings, german_customers(tmp_path), "own", DAY)

    written = added.contract.read_text(encoding="utf-8") + "".join(
        path.read_text(encoding="utf-8") for path in added.staging.iterdir()
    )
    for value in ("Jürgen", "Schröder", "Bahnhofstraße", "kunde1@", "ruft zurück"):
        assert value not in written


def test_the_street_is_put_together_as_the_file_has_it(settings: OwnSettings, tmp_path: Path) -> None:
    added = add_source(settings, german_customers(tmp_path), "own", DAY)

    model = (added.staging / "stg_own__customer_records.sql").read_text(encoding="utf-8")
    assert "concat_ws(' ', strasse, hausnr)" in model
    assert "'DE' as country" in model


def test_an_existing_source_is_not_touched(settings: OwnSettings, tmp_path: Path) -> None:
    add_source(settings, german_customers(tmp_path), "own", DAY)
    before = tree(settings)

    with pytest.raises(ScaffoldError, match="exists already"):
        add_source(settings, crm_contacts(tmp_path), "own", DAY)

    assert tree(settings) == before


@pytest.mark.parametrize("step", ["_write_folder", "_set_aside", "_write_file"])
def test_a_failure_leaves_nothing(
    settings: OwnSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(scaffold, step, fail)

    with pytest.raises(OSError, match="disk full"):
        add_source(settings, german_customers(tmp_path), "own", DAY)

    assert tree(settings) == []


@pytest.mark.parametrize("name", ["Own", "own source", "1st", "a__b", "", "../up"])
def test_names_of_sources(settings: OwnSettings, tmp_path: Path, name: str) -> None:
    with pytest.raises(ScaffoldError, match="--name"):
        add_source(settings, german_customers(tmp_path), name, DAY)


def test_the_sample_steps_aside_and_comes_back(settings: OwnSettings, tmp_path: Path) -> None:
    for path in (PROJECT_ROOT / "data" / "contracts").glob("*.odcs.yaml"):
        (settings.contracts / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    sample = {contract.source for contract in load_contracts(settings.contracts)}

    added = add_source(settings, german_customers(tmp_path), "own", DAY)

    assert set(added.set_aside) == sample
    assert {contract.source for contract in load_contracts(settings.contracts)} == {"own"}

    remove_source(settings, plan_removal(settings, "own"))

    assert {contract.source for contract in load_contracts(settings.contracts)} == sample
    assert not (settings.contracts / "set_aside").exists()


def test_the_sample_stays_when_asked(settings: OwnSettings, tmp_path: Path) -> None:
    for name in ("crm", "shop"):
        text = (PROJECT_ROOT / "data" / "contracts" / f"{name}.odcs.yaml").read_text(encoding="utf-8")
        (settings.contracts / f"{name}.odcs.yaml").write_text(text, encoding="utf-8")

    added = add_source(settings, german_customers(tmp_path), "own", DAY, only=False)

    assert (added.set_aside, added.owed) == ((), ("crm", "shop"))


def test_removal_undoes_it(settings: OwnSettings, tmp_path: Path) -> None:
    add_source(settings, german_customers(tmp_path), "own", DAY)

    remove_source(settings, plan_removal(settings, "own"))
    kept = tree(settings)

    assert [Path(path).parts[:3] for path in kept] == [("data", "landing", "own")] * 2
    # Landing is the truth: the same file may be added again over it, another may not.
    add_source(settings, german_customers(tmp_path), "own", DAY)
    remove_source(settings, plan_removal(settings, "own"), with_landing=True)
    assert tree(settings) == []


def test_removal_clears_what_the_warehouse_remembers_of_its_tables_and_of_no_others(
    settings: OwnSettings, tmp_path: Path
) -> None:
    from orchestration.quality.decided import ensure_decided_tables
    from orchestration.quality.history import ensure_tables
    from orchestration.quality.reconciliation import ensure_reconciliation_table
    from orchestration.warehouse import connect

    add_source(settings, german_customers(tmp_path), "own", DAY)
    tables = ("loads", "profiles", "schema_history", "reconciliation", "row_decisions", "discarded_rows")
    with connect(settings.warehouse) as con:
        ensure_tables(con)
        ensure_decided_tables(con)
        ensure_reconciliation_table(con)
        own = f"raw.{load_contract(settings.contracts / 'own.odcs.yaml').tables[0].raw_name}"
        for table in tables:
            for name in (own, "raw.own_other__members"):
                columns = con.execute(f"describe quality.{table}").fetchall()
                values = {"table_name": f"'{name}'", "load_date": f"date '{DAY}'"}
                kinds = {"BIGINT": "1", "BOOLEAN": "true", "VARCHAR": "'x'", "TIMESTAMP": "timestamp '2026-01-05'"}
                listed = [values.get(column[0]) or kinds.get(column[1], f"null::{column[1]}") for column in columns]
                con.execute(f"insert into quality.{table} select {', '.join(listed)}")
    remove_source(settings, plan_removal(settings, "own"))
    with connect(settings.warehouse) as con:
        left = {table: con.execute(f"select table_name from quality.{table}").fetchall() for table in tables}
    assert left == {table: [("raw.own_other__members",)] for table in tables}


def test_only_what_was_made_here_is_removed(settings: OwnSettings) -> None:
    text = (PROJECT_ROOT / "data" / "contracts" / "crm.odcs.yaml").read_text(encoding="utf-8")
    (settings.contracts / "crm.odcs.yaml").write_text(text, encoding="utf-8")

    with pytest.raises(ScaffoldError, match="not made by"):
        plan_removal(settings, "crm")
    with pytest.raises(ScaffoldError, match="there is no contract"):
        plan_removal(settings, "other")


def test_check_names_file_and_path(settings: OwnSettings, tmp_path: Path) -> None:
    added = add_source(settings, german_customers(tmp_path), "own", DAY)
    text = added.contract.read_text(encoding="utf-8")
    added.contract.write_text(text.replace("kind: DataContract", "kind: Letter").replace("value: email", "value: mail"))

    report = check_contracts(settings)

    found = {(finding.path.name, finding.where, finding.level) for finding in report.findings}
    assert ("own.odcs.yaml", "kind", "error") in found
    assert any("(e_mail)" in where and level == "error" for _, where, level in found)
    assert not report.ok


def test_check_tries_what_has_landed(settings: OwnSettings, tmp_path: Path) -> None:
    added = add_source(settings, german_customers(tmp_path), "own", DAY)
    lines = added.landed.read_text(encoding="latin-1").splitlines()
    fields = lines[3].split(";")
    fields[4] = "31.02.1980"
    added.landed.write_text("\n".join([*lines[:3], ";".join(fields), *lines[4:]]), encoding="latin-1")
    (added.landed.parent / "other.csv").write_text("a,b\n")

    report = check_contracts(settings)

    assert report.ok
    assert {(finding.where.partition(" ")[2], finding.level) for finding in report.findings} == {
        (f"own/{DAY}/other.csv", "warning"),
        (f"own/{DAY}/{added.landed.name}, column geburtsdatum", "warning"),
    }

    added.landed.write_text("\n".join(line.replace("Vorname", "Rufname") for line in lines), encoding="latin-1")
    drifted = check_contracts(settings)
    assert not drifted.ok
    assert any("Vorname" in finding.message for finding in drifted.findings)


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_compressed_file_lands_as_it_is(settings: OwnSettings, tmp_path: Path, suffix: str) -> None:
    plain = german_customers(tmp_path)
    packed = tmp_path / f"Kunden_2025-11.csv{suffix}"
    with pa.output_stream(packed, compression={".gz": "gzip", ".zst": "zstd"}[suffix]) as stream:
        stream.write(plain.read_bytes())

    added = add_source(settings, packed, "own", DAY)

    assert (added.landed.name, added.rows_loaded, added.plan.profile.rows) == (packed.name, 120, 120)
    assert added.landed.read_bytes() == packed.read_bytes()
    assert load_contract(added.contract).tables[0].file_glob == "Kunden*.csv"
    assert (check_contracts(settings).ok, check_contracts(settings).findings) == (True, ())


def test_rows_that_cannot_be_read_are_told_with_the_first(settings: OwnSettings, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    rows = "".join(f"{i},Anna Koch,p{i}@example.org\n" for i in range(20))
    file.write_text(f"id,name,email\n{rows}20,Bert Lang,b@example.org,too,many\n", encoding="utf-8")

    added = add_source(settings, file, "own", DAY)

    [told] = added.held
    assert told.startswith("1 rows would be held back: the line cannot be read") and told.endswith("first is row 22")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", None, "none.csv: there is no such file"),
        ("cut.csv.gz", b"\x1f\x8b\x08\x00cut", "cut.csv.gz cannot be unpacked: .*ask for it again"),
        ("people.zip", b"PK", "the ending '.zip' is none of .*Unpack it first"),
        ("open.csv", b'id,name\n1,"broken\n2,b\n', "no row of it can be read.*a quote is opened.*first is row 2"),
    ],
)
def test_files_that_cannot_be_read(
    settings: OwnSettings, tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)

    with pytest.raises(ScaffoldError, match=message):
        add_source(settings, tmp_path / name, "own", DAY)
    assert tree(settings) == []

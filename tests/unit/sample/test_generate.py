"""The sample company through its public door: files, truth, and what the two say about each other."""

import csv
import hashlib
import json
import re
from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest

from orchestration.sample import SampleError, SampleSummary, generate
from orchestration.sample.rates import COVERAGE, DUPLICATE_KEY, INVALID_EMAIL, MISSING_KEY, UNPARSABLE_DATE
from orchestration.sources.contract import Contract, load_contracts

CUSTOMERS, DAYS, SEED = 1500, 3, 7
DATES = ("2026-01-05", "2026-01-06", "2026-01-07")
CONTRACTS = Path(__file__).parents[3] / "data" / "contracts"
LINE_KINDS = ("too_few_fields", "too_many_fields", "malformed_json")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> SampleSummary:
    return generate(CUSTOMERS, DAYS, SEED, tmp_path_factory.mktemp("sample") / "landing")


@pytest.fixture(scope="module")
def con(sample: SampleSummary) -> Iterator[duckdb.DuckDBPyConnection]:
    """Views `records`, `people`, `devices`, `defects` of the truth, and one text view per delivered table."""
    connection = duckdb.connect()
    for name in ("records", "people", "devices", "defects"):
        connection.execute(f"create view {name} as select * from '{sample.truth}/{name}.parquet'")
    landing = sample.landing
    for name, glob, options in (
        ("contacts", "crm/*/contacts.csv", "delim=',', encoding='utf-8'"),
        ("members", "loyalty/*/members.csv", "delim=',', encoding='utf-8'"),
        ("subscribers", "marketing/*/subscribers.csv", "delim=';', encoding='latin-1'"),
    ):
        connection.execute(
            f"create table {name} as select * from read_csv('{landing}/{glob}', all_varchar=true, header=true, "
            f"quote='\"', escape='\"', ignore_errors=true, filename=true, {options})"
        )
    for name in ("customers", "orders"):
        connection.execute(
            f"create table {name} as select * from read_parquet('{landing}/shop/*/{name}.parquet', filename=true)"
        )
    yield connection
    connection.close()


def documents(sample: SampleSummary, source: str, file: str) -> list[dict]:
    found = []
    for day in DATES:
        for line in (sample.landing / source / day / file).read_text(encoding="utf-8").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
    return found


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    generate(300, 2, 3, tmp_path / "a" / "landing")
    generate(300, 2, 3, tmp_path / "b" / "landing")
    assert digests(tmp_path / "a") == digests(tmp_path / "b")


def test_another_seed_gives_other_people(tmp_path: Path) -> None:
    generate(50, 1, 1, tmp_path / "a" / "landing")
    generate(50, 1, 2, tmp_path / "b" / "landing")
    name = "landing/crm/2026-01-05/contacts.csv"
    assert digests(tmp_path / "a")[name] != digests(tmp_path / "b")[name]


def test_a_longer_sample_begins_with_the_same_days(tmp_path: Path) -> None:
    generate(200, 2, 3, tmp_path / "a" / "landing")
    generate(200, 4, 3, tmp_path / "b" / "landing")
    short, long = digests(tmp_path / "a" / "landing"), digests(tmp_path / "b" / "landing")
    assert short.items() <= long.items()
    assert len(long) == 2 * len(short)


def test_a_tiny_company_works(tmp_path: Path) -> None:
    summary = generate(1, 2, 0, tmp_path / "landing")
    assert summary.people >= 1
    assert summary.records >= 1
    for path in (tmp_path / "landing").rglob("*.*"):
        if path.is_file():
            assert path.stat().st_size > 0, f"{path} has no byte: readers take that for a broken delivery"


def test_every_source_day_is_complete(sample: SampleSummary) -> None:
    for source in COVERAGE:
        assert sorted(p.name for p in (sample.landing / source).iterdir()) == list(DATES)
        for day in DATES:
            assert (sample.landing / source / day / "_SUCCESS").stat().st_size == 0


def test_days_can_be_made_again_in_place(tmp_path: Path) -> None:
    out = tmp_path / "landing"
    generate(60, 2, 3, out)
    before = digests(tmp_path)
    generate(60, 2, 3, out)
    assert digests(tmp_path) == before


def test_foreign_files_are_not_replaced(tmp_path: Path) -> None:
    out = tmp_path / "landing"
    foreign = out / "crm" / "2026-01-05" / "contacts.csv"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("contact_id\n1\n")
    with pytest.raises(SampleError, match=r"crm/2026-01-05 holds files that the sample generator did not write"):
        generate(10, 1, 3, out)
    assert foreign.read_text() == "contact_id\n1\n"
    assert not (out / "shop").exists()


def test_two_samples_are_not_mixed(tmp_path: Path) -> None:
    out = tmp_path / "landing"
    generate(20, 2, 3, out)
    with pytest.raises(SampleError, match="another sample"):
        generate(20, 1, 4, out)


def test_truth_does_not_lie_in_landing(tmp_path: Path) -> None:
    with pytest.raises(SampleError, match="inside landing"):
        generate(20, 1, 3, tmp_path / "landing", truth=tmp_path / "landing" / "truth")


@pytest.mark.parametrize(("customers", "days", "seed"), [(0, 1, 1), (1, 0, 1), (1, 1, -1)])
def test_arguments_out_of_range_are_refused(tmp_path: Path, customers: int, days: int, seed: int) -> None:
    with pytest.raises(SampleError):
        generate(customers, days, seed, tmp_path / "landing")


def test_start_moves_the_days(tmp_path: Path) -> None:
    generate(20, 1, 3, tmp_path / "landing", start=date(2025, 3, 1))
    assert (tmp_path / "landing" / "crm" / "2025-03-01" / "_SUCCESS").exists()


def sent_record_ids(sample: SampleSummary) -> set[str]:
    """Every customer record id that stands in the bytes of the landing files, broken lines included."""
    found: set[str] = set()
    for source, name, pattern in (
        ("crm", "contacts.csv", r"^(C\d{7})"),
        ("loyalty", "members.csv", r"^(LY\d{7})"),
        ("marketing", "subscribers.csv", r"^(M\d{7})"),
        ("social", "profiles.jsonl", r'"profile_id":"(SP\d{7})"'),
        ("support", "tickets.jsonl", r'"requester":\{"id":"(R\d{7})"'),
    ):
        for path in (sample.landing / source).rglob(name):
            text = path.read_bytes().decode("latin-1")
            found |= {f"{source}:{key}" for key in re.findall(pattern, text, re.MULTILINE)}
    rows = duckdb.sql(
        f"select distinct customer_id from '{sample.landing}/shop/*/customers.parquet' where customer_id is not null"
    ).fetchall()
    found |= {f"shop:{row[0]}" for row in rows}
    for event in documents(sample, "web", "events.jsonl"):
        if event["type"] == "identify":
            found.add(f"web:u-{event['userId']}" if event["userId"] else f"web:a-{event['anonymousId']}")
    return found


def test_truth_names_exactly_the_records_that_were_sent(sample: SampleSummary, con: duckdb.DuckDBPyConnection) -> None:
    truth = [row[0] for row in con.execute("select record_id from records").fetchall()]
    assert len(truth) == len(set(truth)) == sample.records
    assert set(truth) == sent_record_ids(sample)


def test_truth_tables_fit_each_other(sample: SampleSummary, con: duckdb.DuckDBPyConnection) -> None:
    strangers = con.execute(
        "select count(*) from records anti join people using (person_id, household_id) where person_id not like 'TEST-%'"
    ).fetchall()
    assert strangers == [(0,)]
    assert con.execute("select count(*) from devices anti join people using (person_id)").fetchall() == [(0,)]
    people = con.execute("select count(*), count(distinct person_id), count(distinct household_id) from people")
    assert people.fetchall() == [(sample.people, sample.people, sample.households)]
    tests = con.execute("select count(*), count(distinct person_id) from records where person_id like 'TEST-%'")
    count, distinct = tests.fetchall()[0]
    assert count == distinct > 0


def test_sources_overlap_as_stated(con: duckdb.DuckDBPyConnection) -> None:
    shares = dict(
        con.execute(
            f"""
            select split_part(record_id, ':', 1), count(distinct person_id) / {CUSTOMERS}
            from records where person_id not like 'TEST-%' group by 1
            """
        ).fetchall()
    )
    for source in ("crm", "shop", "support", "loyalty", "marketing", "social"):
        assert shares[source] == pytest.approx(COVERAGE[source], abs=0.06), source
    devices = con.execute(f"select count(distinct person_id) / {CUSTOMERS} from devices").fetchall()[0][0]
    assert devices == pytest.approx(COVERAGE["web"], abs=0.06)
    several = con.execute(
        "select count(*) filter (n > 2) / count(*) from (select count(*) as n from records group by person_id)"
    ).fetchall()[0][0]
    assert several > 0.5


def test_some_people_have_two_records_in_a_source(con: duckdb.DuckDBPyConnection) -> None:
    twice = con.execute(
        """
        select source, count(*) from (
            select split_part(record_id, ':', 1) as source, person_id from records group by all having count(*) > 1
        ) group by source
        """
    ).fetchall()
    counts = dict(twice)
    for source in ("crm", "shop", "support", "marketing", "social"):
        assert 0 < counts[source] < 0.15 * CUSTOMERS, source


def test_households_share_address_and_landline_and_mostly_surname(con: duckdb.DuckDBPyConnection) -> None:
    shared = con.execute(
        """
        select count(*), count(*) filter (addresses = 1), count(*) filter (landlines <= 1), avg(surnames / size)
        from (
            select count(*) as size, count(distinct (street, city, postcode)) as addresses,
                count(distinct landline) as landlines, count(distinct family_name) as surnames
            from people group by household_id having count(*) > 1
        )
        """
    ).fetchall()[0]
    households, addresses, landlines, surnames = shared
    assert households > 100
    assert addresses == landlines == households
    assert surnames < 0.7


def rate(con: duckdb.DuckDBPyConnection, sample: SampleSummary, source: str, kind: str) -> float:
    rows = sum(count for (name, _, _), count in sample.rows.items() if name == source)
    found = con.execute("select count(*) from defects where source = ? and kind = ?", [source, kind]).fetchall()
    return found[0][0] / rows


@pytest.mark.parametrize(
    ("source", "kind", "expected"),
    [
        ("web", "missing_key", MISSING_KEY),
        ("web", "unparsable_date", UNPARSABLE_DATE),
        ("web", "duplicate_key", DUPLICATE_KEY),
        ("loyalty", "invalid_email", INVALID_EMAIL),
        ("marketing", "unparsable_date", UNPARSABLE_DATE),
    ],
)
def test_bad_rows_occur_at_the_stated_rate(
    sample: SampleSummary, con: duckdb.DuckDBPyConnection, source: str, kind: str, expected: float
) -> None:
    assert rate(con, sample, source, kind) == pytest.approx(expected, rel=0.5)


def test_every_kind_of_defect_occurs(sample: SampleSummary) -> None:
    assert set(sample.defects) == {
        "missing_key", "too_few_fields", "too_many_fields", "malformed_json", "unparsable_date", "invalid_email",
        "duplicate_key", "negative_amount", "missing_amount", "not_a_number", "placeholder_email",
        "placeholder_phone", "placeholder_birth_date", "placeholder_name",
    }  # fmt: skip
    bad = sum(count for kind, count in sample.defects.items() if not kind.startswith("placeholder"))
    assert 0.003 < bad / sum(sample.rows.values()) < 0.02


def test_defects_stand_in_the_rows_that_truth_names(sample: SampleSummary, con: duckdb.DuckDBPyConnection) -> None:
    rows = con.execute("select file, row, kind, record_key from defects where source <> 'shop'").fetchall()
    lines = {
        file: (sample.landing / file)
        .read_bytes()
        .decode("latin-1" if file.startswith("marketing") else "utf-8")
        .split("\n")
        for file in {row[0] for row in rows}
    }
    keyless = {(file, number) for file, number, kind, _ in rows if kind == "missing_key"}
    for file, number, kind, key in rows:
        line = lines[file][number - 1]
        assert (key in line) == ((file, number) not in keyless), (file, number, kind)
        if kind == "malformed_json":
            with pytest.raises(ValueError, match=r"."):
                json.loads(line)
        if kind in ("too_few_fields", "too_many_fields"):
            delimiter = ";" if file.startswith("marketing") else ","
            header, fields = (len(next(csv.reader([text], delimiter=delimiter))) for text in (lines[file][0], line))
            assert (fields < header) == (kind == "too_few_fields")
            assert fields != header
        if kind == "placeholder_email":
            assert "noemail@example.com" in line
        if kind == "placeholder_phone":
            assert "0000000000" in line
        if kind == "placeholder_birth_date" and file.startswith("crm"):
            assert "1900-01-01" in line
        if kind == "duplicate_key":
            assert lines[file].count(line) == 2


def test_no_row_is_bad_by_accident(sample: SampleSummary, con: duckdb.DuckDBPyConnection) -> None:
    """Nothing violates an e-mail pattern, a key or a sign but what truth lists."""
    pattern = r"'^[^@\s]+@[^@\s]+\.[^@\s]+$'"
    for table, column, source in (
        ("contacts", "email", "crm"), ("members", "EmailAddress", "loyalty"), ("subscribers", "email", "marketing"),
        ("customers", "email", "shop"),
    ):  # fmt: skip
        found = con.execute(
            f"select count(*) from {table} where {column} is not null and not regexp_matches({column}, {pattern})"
        ).fetchall()[0][0]
        listed = con.execute(
            "select count(*) from defects where source = ? and kind = 'invalid_email'", [source]
        ).fetchall()[0][0]
        assert found == listed, table
    negative = con.execute("select count(*) filter (amount < 0), count(*) filter (amount is null) from orders")
    assert negative.fetchall()[0] == (sample.defects["negative_amount"], sample.defects["missing_amount"])


def test_loyalty_is_a_snapshot_and_members_come_and_go(tmp_path: Path) -> None:
    summary = generate(1500, 6, 5, tmp_path / "landing")
    days = sorted(p.name for p in (summary.landing / "loyalty").iterdir())
    members = []
    for day in days:
        text = (summary.landing / "loyalty" / day / "members.csv").read_text(encoding="utf-8")
        members.append(set(re.findall(r"^(LY\d{7})", text, re.MULTILINE)))
    for before, after in pairwise(members):
        assert len(before & after) > 0.97 * len(before)
    assert members[-1] - members[0]
    assert members[0] - members[-1]


def test_other_sources_are_deltas(sample: SampleSummary, con: duckdb.DuckDBPyConnection) -> None:
    for (source, day, _), count in sample.rows.items():
        first = sum(c for (s, d, _), c in sample.rows.items() if s == source and d == DATES[0])
        if day != DATES[0] and source != "loyalty":
            assert count < 0.1 * first, (source, day)
    stale = con.execute(
        """
        select count(*) from contacts
        where filename not like '%2026-01-05%' and updated_at[:10] <> regexp_extract(filename, '(\\d{4}-\\d\\d-\\d\\d)', 1)
        """
    ).fetchall()
    assert stale == [(0,)]
    known_again = con.execute(
        """
        select count(distinct contact_id) from contacts as later
        where filename not like '%2026-01-05%'
            and exists (select 1 from contacts as c where c.contact_id = later.contact_id and c.filename like '%01-05%')
        """
    ).fetchall()
    assert known_again[0][0] > 0


def test_marketing_is_latin1_and_not_utf8(sample: SampleSummary) -> None:
    data = (sample.landing / "marketing" / DATES[0] / "subscribers.csv").read_bytes()
    text = data.decode("latin-1")
    assert re.search("[éèäöüñç]", text)
    with pytest.raises(UnicodeDecodeError):
        data.decode("utf-8")
    assert "?" not in text


def test_names_of_several_scripts_occur(sample: SampleSummary, con: duckdb.DuckDBPyConnection) -> None:
    names = " ".join(
        row[0] for row in con.execute("select given_name || ' ' || coalesce(family_name, '') from people").fetchall()
    )
    for script in ("[一-鿿]", "[؀-ۿ]", "[Ѐ-ӿ]", "[À-ž]", r"\w-\w", r"\b(van|de|al-|Le) ?\w"):
        assert re.search(script, names), script
    assert con.execute("select count(*) from people where family_name is null").fetchall()[0][0] > 0


def test_orders_are_heavy_tailed(con: duckdb.DuckDBPyConnection) -> None:
    once, top = con.execute(
        """
        with per_account as (select customer_id, count(distinct order_id) as n from orders group by 1)
        select count(*) filter (n = 1) / count(*),
            (select sum(n) from (select n from per_account order by n desc limit (select count(*) // 10 from per_account)))
                / sum(n)
        from per_account
        """
    ).fetchall()[0]
    assert 0.3 < once < 0.85
    assert top > 0.3
    median, mean = con.execute("select median(amount), avg(amount) from orders where amount > 0").fetchall()[0]
    assert mean > 1.15 * float(median)
    statuses = dict(con.execute("select status, count(distinct order_id) from orders group by 1").fetchall())
    assert set(statuses) == {"placed", "shipped", "returned", "cancelled"}


def test_placed_orders_are_sent_again_when_they_move_on(con: duckdb.DuckDBPyConnection) -> None:
    moved = con.execute(
        """
        select count(*) from orders as a join orders as b using (order_id)
        where a.status = 'placed' and b.status = 'shipped' and a.filename < b.filename and a.updated_at < b.updated_at
        """
    ).fetchall()[0][0]
    assert moved > 0


def test_visitors_browse_before_they_log_in_and_share_devices(
    sample: SampleSummary, con: duckdb.DuckDBPyConnection
) -> None:
    events = documents(sample, "web", "events.jsonl")
    anonymous = {e["anonymousId"] for e in events if not e["userId"]}
    signed = {e["anonymousId"] for e in events if e["userId"]}
    assert len(anonymous & signed) > 50
    assert {e["type"] for e in events} == {"identify", "page", "track"}
    assert any(e.get("event") == "Order Completed" for e in events)
    shared = con.execute(
        "select count(*) from (select anonymous_id from devices group by 1 having count(distinct person_id) > 1)"
    ).fetchall()[0][0]
    assert shared > 0
    known = {row[0] for row in con.execute("select anonymous_id from devices").fetchall()}
    assert anonymous | signed <= known


def test_consent_is_given_withdrawn_and_given_again(con: duckdb.DuckDBPyConnection) -> None:
    again = con.execute(
        """
        select count(*) from subscribers as left_ join subscribers as back using (subscriber_id, purpose, channel)
        where left_.status = 'withdrawn' and back.status = 'granted'
            and try_strptime(back.changed_at, '%d.%m.%Y %H:%M:%S') > try_strptime(left_.changed_at, '%d.%m.%Y %H:%M:%S')
        """
    ).fetchall()[0][0]
    assert again > 0


def test_the_sample_stays_small(sample: SampleSummary) -> None:
    size = sum(path.stat().st_size for path in sample.landing.rglob("*") if path.is_file())
    assert size < 15_000_000 * CUSTOMERS / 2000


def contracts() -> tuple[Contract, ...]:
    return tuple(c for c in load_contracts(CONTRACTS) if c.source in COVERAGE)


def test_each_source_has_a_contract_with_the_columns_it_delivers(sample: SampleSummary) -> None:
    assert {c.source for c in contracts()} == set(COVERAGE)
    for contract in contracts():
        for table in contract.tables:
            (path,) = (sample.landing / contract.source / DATES[0]).glob(table.file_glob)
            expected = [column.physical_name for column in table.columns]
            if contract.server.format == "parquet":
                found = [row[0] for row in duckdb.sql(f"describe select * from '{path}'").fetchall()]
            elif contract.server.format == "csv":
                with path.open(encoding=contract.server.encoding) as file:
                    found = next(csv.reader(file, delimiter=contract.server.delimiter))
            else:
                continue
            assert found == expected, table.raw_name


def test_contracts_describe_every_column() -> None:
    for contract in contracts():
        assert contract.owner
        assert contract.purposes
        assert contract.retention
        for table in contract.tables:
            assert table.feeds
            for column in table.columns:
                assert column.description, (table.raw_name, column.name)
            if "customer_records" in table.feeds:
                semantics = {column.semantic for column in table.columns}
                assert semantics & {"source_record_id", "user_id"}
                assert semantics & {"email"}

"""What contracts say has been kept long enough goes, by the steps of an erasure; the rest stays."""

from datetime import date

import duckdb
import pytest
from canary_company import CanaryCompany

from orchestration.ledger.audit import entries
from orchestration.ledger.store import Ledger
from orchestration.ledger.tombstones import living_tombstones
from orchestration.privacy.errors import PrivacyError
from orchestration.privacy.retention import expires_before


@pytest.mark.parametrize(
    ("period", "first_kept"),
    [("90d", date(2025, 12, 2)), ("18 m", date(2024, 9, 2)), ("5y", date(2021, 3, 2)), ("2 weeks", date(2026, 2, 16))],
)
def test_periods_count_back_from_a_day(period: str, first_kept: date) -> None:
    assert expires_before(period, date(2026, 3, 2)) == first_kept


def test_a_period_that_says_nothing_is_told() -> None:
    with pytest.raises(PrivacyError, match="write it as"):
        expires_before("a while", date(2026, 3, 2))


def test_expired_days_go_and_later_ones_stay(canary_company: CanaryCompany) -> None:
    company = canary_company.put_back()
    warehouse = str(company.data / "warehouse" / "kindred.duckdb")
    # The CRM keeps rows for five years: as of this day the first landed day has expired, the second has not.
    as_of = ("--date", "2031-01-06")
    with duckdb.connect(warehouse, read_only=True) as con:
        before = con.execute("select _load_date, count(*) from raw.crm__contacts group by 1 order by 1").fetchall()
    assert [day for day, _ in before] == [date(2026, 1, 5), date(2026, 1, 6)]
    dry = company.kindred("retention", "--dry-run", *as_of)
    assert dry.returncode == 0, dry.stdout + dry.stderr
    assert "raw.crm__contacts" in dry.stdout
    said = company.kindred("retention", *as_of)
    assert said.returncode == 0, said.stdout + said.stderr
    with duckdb.connect(warehouse, read_only=True) as con:
        after = con.execute("select _load_date, count(*) from raw.crm__contacts group by 1 order by 1").fetchall()
        wrong = con.execute("select * from quality.reconciliation where difference <> 0").fetchall()
    assert after == before[1:]
    assert wrong == []
    landed = (company.data / "landing" / "crm" / "2026-01-05" / "contacts.csv").read_text().splitlines()
    assert len(landed) == 1, "the header stays"
    ledger = Ledger(f"sqlite:///{company.data / 'ledger' / 'ledger.sqlite'}")
    removed = next(entry for entry in entries(ledger) if entry.action == "retention.remove")
    asked = next(entry for entry in entries(ledger) if entry.action == "retention.request")
    assert removed.details["records"] == asked.details["records"] and "people" not in removed.details
    assert living_tombstones(ledger) == [], "who is forgotten because time is up may come back"
    assert list((company.data / "privacy" / "certificates").glob("retention-*.json"))
    again = company.kindred("retention", *as_of)
    assert again.returncode == 0 and "Nothing to do" in again.stdout

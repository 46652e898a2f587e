"""The way a file writes its dates, told from the dates."""

from datetime import date, timedelta

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.scaffold.dates import DateReading, read_dates
from orchestration.scaffold.files import FILE_TABLE


def reading(values: list[str], hints: tuple[DateReading, ...] = ()) -> DateReading | None:
    with duckdb.connect() as con:
        con.execute("set timezone = 'UTC'")
        con.execute(f"create temp table {FILE_TABLE} (f0 varchar)")
        con.executemany(f"insert into {FILE_TABLE} values (?)", [[value] for value in values])
        return read_dates(con, "f0", values, hints)


@pytest.mark.parametrize(
    ("written", "form", "kind"),
    [
        ("%d/%m/%Y", "dd/MM/yyyy", "date"), ("%m/%d/%Y", "MM/dd/yyyy", "date"), ("%d.%m.%Y", "dd.MM.yyyy", "date"),
        ("%Y-%m-%d", "", "date"), ("%Y%m%d", "yyyyMMdd", "date"), ("%d %B %Y", "dd MMMM yyyy", "date"),
        ("%m/%d/%y", "MM/dd/yy", "date"), ("%Y-%m-%dT%H:%M:%SZ", "", "timestamp"),
        ("%d.%m.%Y %H:%M", "dd.MM.yyyy HH:mm", "timestamp"), ("%m/%d/%Y %I:%M %p", "MM/dd/yyyy hh:mm a", "timestamp"),
    ],
)  # fmt: skip
def test_formats(written: str, form: str, kind: str) -> None:
    from datetime import datetime

    moments = [datetime(1990, 1, 3, 9, 7) + timedelta(days=37 * i, minutes=61 * i) for i in range(60)]

    found = reading([moment.strftime(written) for moment in moments])

    assert found is not None
    assert (found.formats, found.kind, found.whole, found.ambiguous) == ((form,), kind, True, False)


def test_nothing_tells_day_from_month() -> None:
    found = reading([f"0{1 + i % 9}/0{1 + i % 7}/199{i % 10}" for i in range(40)])

    assert found is not None and found.ambiguous
    assert "no value tells day from month" in found.evidence


def test_another_column_tells_day_from_month() -> None:
    other = reading(["25/12/2020", "01/02/2021"])
    assert other is not None

    found = reading([f"0{1 + i % 9}/0{1 + i % 7}/199{i % 10}" for i in range(40)], (other,))

    assert found is not None
    assert (found.formats, found.ambiguous) == (("dd/MM/yyyy",), False)


def test_errors_are_not_read_the_other_way_round() -> None:
    found = reading(["13/02/1980", "14/02/1980", "02/03/1980", "28/09/1980", "02/31/1980"])

    assert found is not None
    assert found.formats == ("dd/MM/yyyy",)
    assert found.share == pytest.approx(0.8)


@pytest.mark.parametrize(
    "values", [["10019283", "99887766", "55667788"], ["Mill Lane 4", "High Street 12"], ["030 1234567", "0171 555"]]
)
def test_no_dates(values: list[str]) -> None:
    assert reading(values * 5) is None


@given(
    st.lists(st.dates(date(1920, 1, 1), date(2020, 12, 31)), min_size=1, max_size=30), st.sampled_from(["/", "-", "."])
)
@settings(max_examples=25, deadline=None)
def test_a_day_above_twelve_decides(days: list[date], sign: str) -> None:
    days.append(date(1984, 7, 23))

    found = reading([day.strftime(f"%d{sign}%m{sign}%Y") for day in days])

    assert found is not None
    assert (found.formats, found.share) == ((f"dd{sign}MM{sign}yyyy",), 1.0)

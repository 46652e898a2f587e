"""Is a landed day like the days before it? Volume and fill rates against the table's own history, and drift of columns.

Belongs here: the robust statistics, their numbers as data, and the checks that the raw gate adds. Does not belong here:
counting (see `history` and `profiles`), and whether drift may land (see `orchestration.sources.drift`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from statistics import median
from typing import TYPE_CHECKING

from orchestration.quality.profiles import ColumnProfile, day_profile
from orchestration.quality.results import CheckResult, RunContext, Severity

if TYPE_CHECKING:
    import duckdb

    from expectations.suites import GatedTable
    from orchestration.sources.contract import Table

WAY_OUT = (
    "Ask for the files again; or, where the day is right, set `anomalies` of the table to warn in its contract, run the day, "
    "and set it back"
)
VOLUME, FILL_RATE, SCHEMA_DRIFT = "volume_anomaly", "fill_rate_anomaly", "schema_drift"
# 2026-01: seven days before there is a verdict, so that each weekday had its say. Consequence of fewer: a new source's
# second Saturday warns.
MIN_HISTORY = 7
MAX_HISTORY = 90
# Three days of one weekday make a season of their own.
MIN_SAME_WEEKDAYS = 3
# The median absolute deviation times this estimates the standard deviation of normal data (Rousseeuw and Croux 1993).
MAD_TO_SIGMA = 1.4826
SIGMAS = 4.0
# A day of few rows says little of how full its columns are.
MIN_ROWS_FOR_RATES = 20
_WEEKDAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")


@dataclass(frozen=True)
class Tolerance:
    """How far from its expected value a number may lie whatever its history: the history of a week is often too smooth."""

    share: float
    """Of the expected value."""
    least: float


# 2026-01: an ordinary campaign moves a day's rows by a third, and small sources by a dozen rows.
VOLUME_TOLERANCE = Tolerance(share=0.5, least=20.0)
# Ten points of a fill rate: an export that loses a column moves it by far more, a change of customers by less.
RATE_TOLERANCE = Tolerance(share=0.0, least=0.10)


@dataclass(frozen=True)
class Observation:
    """A number of one day."""

    day: date
    value: float


@dataclass(frozen=True)
class Verdict:
    """What the days before let expect of a day."""

    low: float
    high: float
    days: int
    """Days of history that were used."""
    season: str | None
    """The weekday whose days give the expected value, when there were enough of them."""
    value: float

    @property
    def is_anomaly(self) -> bool:
        """Whether the day lies outside."""
        return not self.low <= self.value <= self.high


def judge(history: Sequence[Observation], tested: Observation, tolerance: Tolerance) -> Verdict | None:
    """Compare a day with the days before it; None when these are too few.

    Only earlier days count: the tested day is never part of its own baseline, and a late day is judged as it would have
    been in time. The expected value is the median of the same weekday's days when there are enough, else of all; the
    spread is the median absolute deviation of every earlier day from its own expected value.
    """
    earlier = sorted((item for item in history if item.day < tested.day), key=lambda item: item.day)[-MAX_HISTORY:]
    if len(earlier) < MIN_HISTORY:
        return None
    overall = median(item.value for item in earlier)
    by_weekday: dict[int, list[float]] = {}
    for item in earlier:
        by_weekday.setdefault(item.day.weekday(), []).append(item.value)
    seasons = {day: median(values) for day, values in by_weekday.items() if len(values) >= MIN_SAME_WEEKDAYS}
    expected = seasons.get(tested.day.weekday(), overall)
    spread = median(abs(item.value - seasons.get(item.day.weekday(), overall)) for item in earlier)
    width = max(SIGMAS * MAD_TO_SIGMA * spread, tolerance.share * abs(expected), tolerance.least)
    season = _WEEKDAYS[tested.day.weekday()] if tested.day.weekday() in seasons else None
    return Verdict(max(0.0, expected - width), expected + width, len(earlier), season, tested.value)


def arrival_checks(
    con: "duckdb.DuckDBPyConnection", gate: "GatedTable", run: RunContext, table: "Table | None"
) -> list[CheckResult]:
    """The raw gate's checks of the day as a whole; none for a day that the loader did not record."""
    if gate.schema != "raw" or table is None:
        return []
    volumes = _volumes(con, gate.name)
    tested = next((item for item in volumes if item.day == run.load_date), None)
    if tested is None:
        return []
    profile = day_profile(con, gate.name, run.load_date)
    checks = [_drift(gate, profile)] if profile else []
    first = volumes[0].day
    if table.anomalies != "off" and run.load_date != first:
        severity: Severity = "block" if table.anomalies == "block" else "warn"
        # The first load brings the whole past, and so is like no day after it.
        checks.append(_volume(gate, volumes[1:], tested, severity))
        checks.append(_fill_rates(con, gate, profile, run.load_date, first, severity))
    return checks


def _volumes(con: "duckdb.DuckDBPyConnection", table: str) -> list[Observation]:
    rows = con.execute(
        "select load_date, sum(rows_landed) from quality.loads where table_name = ? group by 1 order by 1", [table]
    ).fetchall()
    return [Observation(day, float(count)) for day, count in rows]


def _volume(gate: "GatedTable", history: list[Observation], tested: Observation, severity: Severity) -> CheckResult:
    verdict = judge(history, tested, VOLUME_TOLERANCE)
    if verdict is None:
        return _undecided(gate, VOLUME, severity, f"{tested.value:,.0f} rows", history, tested.day)
    expected = f"{verdict.low:,.0f} to {verdict.high:,.0f} rows"
    message = f"rows landed: found {tested.value:,.0f}, expected {expected}, by {_basis(verdict)}"
    if verdict.is_anomaly and severity == "block":
        message += f". {WAY_OUT}"
    return _result(
        gate, VOLUME, severity, not verdict.is_anomaly, f"{tested.value:.0f}", expected, message, int(tested.value)
    )


def _fill_rates(
    con: "duckdb.DuckDBPyConnection",
    gate: "GatedTable",
    profile: Sequence[ColumnProfile],
    day: date,
    first: date,
    severity: Severity,
) -> CheckResult:
    rows = max((column.rows for column in profile), default=0)
    history = _rates(con, gate.name, first)
    judged: dict[str, Verdict] = {}
    for column in profile:
        if column.in_contract and rows >= MIN_ROWS_FOR_RATES:
            tested = Observation(day, column.filled / column.rows)
            verdict = judge(history.get(column.name, []), tested, RATE_TOLERANCE)
            if verdict is not None:
                judged[column.name] = verdict
    if not judged:
        days = max(history.values(), key=len, default=[])
        return _undecided(gate, FILL_RATE, severity, f"{rows:,} rows", days, day)
    off = {name: verdict for name, verdict in judged.items() if verdict.is_anomaly}
    said = [
        f"{name} is given in {verdict.value:.0%} of rows, expected {verdict.low:.0%} to {min(verdict.high, 1):.0%}, "
        f"by {_basis(verdict)}"
        for name, verdict in off.items()
    ]
    message = "; ".join(said) or f"all {len(judged)} columns are as full as in {_basis(next(iter(judged.values())))}"
    observed = ", ".join(off) or "none off"
    return _result(gate, FILL_RATE, severity, not off, observed, "no column far off its history", message, rows)


def _rates(con: "duckdb.DuckDBPyConnection", table: str, first: date) -> dict[str, list[Observation]]:
    rows = con.execute(
        """
        select column_name, load_date, filled / rows_read
        from quality.profiles
        where table_name = ? and in_contract and load_date > ? and rows_read >= ?
        order by all
        """,
        [table, first, MIN_ROWS_FOR_RATES],
    ).fetchall()
    rates: dict[str, list[Observation]] = {}
    for name, day, rate in rows:
        rates.setdefault(name, []).append(Observation(day, rate))
    return rates


def _drift(gate: "GatedTable", profile: Sequence[ColumnProfile]) -> CheckResult:
    """Unknown columns that landed warn until the contract describes them; what is left out by policy is only noted."""
    landed = [column.name for column in profile if column.landed and not column.in_contract]
    lacking = [column.name for column in profile if column.in_contract and column.observed_type is None]
    left_out = [column.name for column in profile if not column.landed]
    said = [
        f"{words}: {', '.join(names)}"
        for words, names in (
            ("unknown to the contract and landed as text", landed),
            ("in the contract and not delivered", lacking),
            ("unknown to the contract and left out", left_out),
        )
        if names
    ]
    message = "; ".join(said) or "the columns are those of the contract"
    observed = ", ".join([*landed, *lacking, *left_out]) or "none"
    rows = max(column.rows for column in profile)
    ok = not landed and not (lacking and rows)
    return _result(gate, SCHEMA_DRIFT, "warn", ok, observed, "the contract's columns", message, rows)


def _basis(verdict: Verdict) -> str:
    season = f", the {verdict.season} among them" if verdict.season else ""
    return f"the {verdict.days} days before{season}"


def _undecided(
    gate: "GatedTable", check: str, severity: Severity, observed: str, history: Sequence[Observation], day: date
) -> CheckResult:
    days = sum(item.day < day for item in history)
    message = f"no verdict yet: days of history that can be compared: {days}, needed: {MIN_HISTORY}"
    return _result(gate, check, severity, True, observed, f"{MIN_HISTORY} days of history", message, None)


def _result(
    gate: "GatedTable",
    check: str,
    severity: Severity,
    success: bool,
    observed: str,
    threshold: str,
    message: str,
    rows: int | None,
) -> CheckResult:
    return CheckResult(
        stage=gate.stage,
        table_name=gate.name,
        expectation=check,
        column_name=None,
        level="table",
        severity=severity,
        success=success,
        evaluated=True,
        observed=observed,
        threshold=threshold,
        element_count=rows,
        unexpected_count=None,
        message=message,
    )

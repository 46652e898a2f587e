"""What a gate is told and what it answers, as plain values.

Belongs here: the dataclasses that cross from the gates to the runner, the asset checks and the history. Does not belong
here: anything that needs Great Expectations or a database.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

Level = Literal["row", "table"]
Severity = Literal["block", "warn"]


@dataclass(frozen=True)
class RunContext:
    """The run that a gate belongs to, and the load date that it runs for."""

    run_id: str
    load_date: date


@dataclass(frozen=True)
class CheckResult:
    """One expectation's answer for one table on one load date: a row of `quality.check_results`."""

    stage: str
    table_name: str
    expectation: str
    """Name of the check, e.g. `expect_column_values_to_match_regex:email`: unique within its table."""
    column_name: str | None
    level: Level
    severity: Severity
    success: bool
    """The data met the expectation. Always False when `evaluated` is False."""
    evaluated: bool
    """False when the question could not be put: a column is missing, or the query failed."""
    observed: str | None
    threshold: str | None
    element_count: int | None
    """Rows looked at."""
    unexpected_count: int | None
    """Rows that failed; None for table expectations and for what could not be evaluated."""
    message: str
    """A sentence for people: what was expected, and what was found."""

    @property
    def blocks(self) -> bool:
        """Whether this answer alone stops the stages behind the gate.

        A row expectation that fails costs its rows their place, not the table its passage; one that could not be
        evaluated let unchecked rows through, and so blocks as a table expectation does.
        """
        if self.success or self.severity != "block":
            return False
        return self.level == "table" or not self.evaluated


@dataclass(frozen=True)
class GateResult:
    """A gate's answer for one table and load date."""

    table: str
    passed: bool
    """False when an expectation of severity `block` failed for the table, or could not be evaluated."""
    checks: tuple[CheckResult, ...]
    quarantined: int
    """Rows of this scope that are held back, whoever put them there (loader, or an earlier run of this gate)."""
    failing_rows: tuple[Mapping[str, Any], ...] = field(default=())
    """Up to 20 of the rows held back, for display: check, column, value, key, file, row, reason. Personal data."""
    seconds: float = 0.0

    @property
    def failed_checks(self) -> tuple[CheckResult, ...]:
        """What did not succeed, the blocking ones first."""
        failed = [check for check in self.checks if not check.success]
        return tuple(sorted(failed, key=lambda check: (not check.blocks, check.level != "table", check.expectation)))

    def summary(self, *, with_values: bool = True) -> str:
        """What happened, for people: the verdict, each check that failed, and on which rows.

        Args:
            with_values: whether to show the values that failed. They may be personal: leave them out of whatever is kept
                or sent, such as logs and notifications.
        """
        blocking = sum(check.blocks for check in self.checks)
        verdict = "passed" if self.passed else f"blocked by {blocking} check{'s' if blocking != 1 else ''}"
        lines = [
            f"{self.table}: {verdict}; {sum(c.success for c in self.checks)} of {len(self.checks)} checks hold, "
            f"{self.quarantined} row{'s' if self.quarantined != 1 else ''} in quarantine"
        ]
        for check in self.failed_checks:
            mark = "BLOCKS" if check.blocks else ("warns" if check.severity == "warn" else "holds rows back")
            lines.append(f"  [{mark}] {check.expectation}: {check.message}")
            rows = [row for row in self.failing_rows if row["check"] == check.expectation]
            lines += [f"      {_describe_row(row, with_values)}" for row in rows[:5]]
        named = {check.expectation for check in self.failed_checks}
        rest = [row for row in self.failing_rows if row["check"] not in named]
        if rest:
            lines.append("  held back before this check ran:")
            lines += [f"      {row['check']}: {_describe_row(row, with_values)}" for row in rest[:5]]
        return "\n".join(lines)


def _describe_row(row: Mapping[str, Any], with_values: bool) -> str:
    if row.get("file"):
        place = f"{row['file']} row {row['row']}"
    else:
        place = f"key {row.get('key')}" if with_values else "a row"
    if row.get("column"):
        return f"{place}: {row['column']} = {row.get('value')!r}" if with_values else f"{place}: {row['column']}"
    return f"{place}: {row.get('reason')}"

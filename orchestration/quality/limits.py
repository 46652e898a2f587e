"""How many bad rows a table may have before the gate blocks it: the numbers, and nothing else but applying them.

Belongs here: the limit as data, and the sentence that names its numbers. Does not belong here: counting rows.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestration.sources.contract import Table


@dataclass(frozen=True)
class BadRowLimit:
    """A table is blocked when more than `percent` of its landed rows are bad and they are at least `min_rows`.

    When all of them are bad it is blocked whatever their number.
    """

    percent: float
    min_rows: int

    def exceeded(self, bad: int, landed: int) -> bool:
        """Whether `bad` of `landed` rows are too many."""
        if bad == 0:
            return False
        return bad >= landed or (bad >= self.min_rows and bad * 100 > self.percent * landed)

    def describe(self) -> str:
        """The limit in words, as messages give it."""
        return f"at most {self.percent:g} percent, counted from {self.min_rows} bad rows on, and never all"

    def message(self, bad: int, landed: int) -> str:
        """What was found against the limit."""
        found = f"{bad:,} of {landed:,} rows are bad ({100 * bad / landed if landed else 0:.1f} percent)"
        return f"{found}; allowed are {self.describe()}"


# 2026-01: hand-typed exports carry 0.5 to 2 percent rows that no check lets pass; a file whose columns have shifted, or
# whose date format has changed, has nearly all rows bad. Five percent lies well between. Ten rows, because one bad row
# in a day of twelve is one bad row, not a broken file. Consequence of a lower limit: ordinary days stop the pipeline;
# of a higher one: a broken file empties a source quietly into quarantine.
DEFAULT_BAD_ROW_LIMIT = BadRowLimit(percent=5.0, min_rows=10)


def bad_row_limit(table: "Table | None") -> BadRowLimit:
    """The limit of a table: its contract's, else the default.

    A contract sets it by the standard's library rule `invalidValues` at the level of the table, in percent:
    `{type: library, metric: invalidValues, unit: percent, mustBeLessOrEqualTo: 2}`.
    """
    for rule in table.quality if table else ():
        percent = rule.get("mustBeLessOrEqualTo", rule.get("mustBeLessThan"))
        is_limit = rule.get("metric") == "invalidValues" and rule.get("unit") == "percent" and not rule.get("arguments")
        if is_limit and percent is not None:
            return BadRowLimit(percent=float(percent), min_rows=DEFAULT_BAD_ROW_LIMIT.min_rows)
    return DEFAULT_BAD_ROW_LIMIT

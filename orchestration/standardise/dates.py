"""Birth dates from whatever a source writes.

What belongs here: formats, the choice between day-first and month-first, plausible limits.
What does not: dates of events, which contracts type at the door.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestration.standardise.text import sql_literal

if TYPE_CHECKING:
    import duckdb

FIRST_PLAUSIBLE = "1900-01-02"

_YEAR_FIRST = ("%Y-%m-%d", "%Y%m%d", "%Y/%m/%d", "%Y.%m.%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S")
_NAMED_MONTH = ("%d %b %Y", "%d %B %Y", "%b %d %Y", "%B %d %Y", "%b %d, %Y", "%B %d, %Y", "%d-%b-%Y")
_NAMED_MONTH_SHORT = ("%d %b %y", "%d-%b-%y", "%b %d %y", "%b %d, %y")
_DAY_FIRST = ("%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y")
_MONTH_FIRST = ("%m/%d/%Y", "%m-%d-%Y", "%m.%d.%Y")


def day_comes_first(con: duckdb.DuckDBPyConnection, table: str, column: str) -> bool:
    """Whether numeric dates with the year last put the day first.

    The dates that can be read in one way only (a part above 12) decide; dots, which only
    day-first countries use, decide when there are none; month first otherwise.
    """
    row = con.execute(
        f"""
        with parts as (
            select
                try_cast(regexp_extract({column}, '^(\\d{{1,2}})[/.-]\\d{{1,2}}[/.-]\\d{{4}}', 1)
                    as int) as first_part,
                try_cast(regexp_extract({column}, '^\\d{{1,2}}[/.-](\\d{{1,2}})[/.-]\\d{{4}}', 1)
                    as int) as second_part,
                regexp_matches({column}, '^\\d{{1,2}}\\.\\d{{1,2}}\\.\\d{{4}}') as dotted
            from {table}
        )
        select
            count(*) filter (where first_part between 13 and 31 and second_part between 1 and 12),
            count(*) filter (where second_part between 13 and 31 and first_part between 1 and 12),
            count(*) filter (where dotted)
        from parts
        """
    ).fetchall()[0]
    day_first, month_first, dotted = (int(value) for value in row)
    if day_first == month_first:
        return dotted > 0
    return day_first > month_first


def parsed_date(expression: str, day_first: bool) -> str:
    """SQL: a varchar expression as DATE, or null when no known format fits."""
    orders = (_DAY_FIRST, _MONTH_FIRST) if day_first else (_MONTH_FIRST, _DAY_FIRST)
    formats = [*_YEAR_FIRST, *_NAMED_MONTH, *orders[0], *orders[1]]
    listed = ", ".join(sql_literal(form) for form in formats)
    short = "'^(\\d{1,2}[/. -](\\d{1,2}|[A-Za-z]{3})|[A-Za-z]{3} \\d{1,2},?)[/. -]\\d{2}$'"
    short_formats = [*(form.replace("%Y", "%y") for form in (*orders[0], *orders[1])), *_NAMED_MONTH_SHORT]
    # Nobody is born in the future: a two-digit year that would be is of the century before.
    listed_short = ", ".join(sql_literal(form) for form in short_formats)
    parsed_short = f"cast(try_strptime({expression}, [{listed_short}]) as date)"
    of_this_century = (
        f"case when {parsed_short} > current_date then {parsed_short} - interval 100 year else {parsed_short} end"
    )
    text = f"regexp_replace({expression}, '(\\.\\d+)?(Z|[+-]\\d\\d:?\\d\\d)$', '')"
    long = f"cast(try_strptime({text}, [{listed}]) as date)"
    return f"cast(case when regexp_matches({expression}, {short}) then {of_this_century} else {long} end as date)"


def plausible_birth_date(expression: str, earliest: str, latest: str) -> str:
    """SQL: the date when it lies between `earliest` (ISO) and `latest` (SQL), else null."""
    within = f"{expression} between date {sql_literal(earliest)} and {latest}"
    return f"case when {within} then {expression} end"

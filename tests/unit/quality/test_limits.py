"""The limit of bad rows, and the message against the threshold that it names."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.quality.limits import DEFAULT_BAD_ROW_LIMIT, BadRowLimit, bad_row_limit
from orchestration.sources.contract import Column, Table


def _table(*rules: dict[str, Any]) -> Table:
    column = Column("id", "id", "varchar", None, "", None, "internal", True, True)
    return Table("src", "t", "t*", "", (), None, (column,), tuple(rules))


@pytest.mark.parametrize(
    ("bad", "landed", "exceeded"),
    [
        (0, 0, False),
        (0, 10, False),
        (1, 1, True),
        (3, 3, True),
        (9, 10, False),
        (10, 200, False),
        (10, 199, True),
        (50, 1000, False),
        (51, 1000, True),
    ],
)
def test_the_default_limit(bad: int, landed: int, exceeded: bool) -> None:
    assert DEFAULT_BAD_ROW_LIMIT.exceeded(bad, landed) is exceeded


@given(
    landed=st.integers(1, 5000),
    share=st.floats(0, 1),
    percent=st.sampled_from([1.0, 2.5, 5.0]),
    least=st.integers(1, 50),
)
def test_the_message_says_what_the_limit_does(landed: int, share: float, percent: float, least: int) -> None:
    bad = round(landed * share)
    limit = BadRowLimit(percent, least)

    message = limit.message(bad, landed)

    found = re.match(
        r"([\d,]+) of ([\d,]+) rows are bad \(.*\); allowed are at most ([\d.]+) percent, "
        r"counted from (\d+) bad rows on, and never all",
        message,
    )
    assert found is not None
    said_bad, said_landed, said_percent, said_least = (float(text.replace(",", "")) for text in found.groups())
    by_the_words = said_bad > 0 and (
        said_bad == said_landed or (said_bad >= said_least and 100 * said_bad > said_percent * said_landed)
    )
    assert limit.exceeded(bad, landed) is by_the_words


def test_a_contract_sets_its_own_limit() -> None:
    rule = {"type": "library", "metric": "invalidValues", "unit": "percent", "mustBeLessOrEqualTo": 2}
    assert bad_row_limit(_table(rule)).percent == 2
    assert bad_row_limit(_table()) == bad_row_limit(None) == DEFAULT_BAD_ROW_LIMIT
    about_a_column = rule | {"arguments": {"properties": ["id"]}}
    assert bad_row_limit(_table(about_a_column)) == DEFAULT_BAD_ROW_LIMIT

"""The shortcuts through Great Expectations change no answer and end with their block."""

from datetime import date

import great_expectations.expectations as gxe
import pytest
from great_expectations.core.id_dict import IDDict
from great_expectations.expectations.expectation import Expectation

from expectations.memo import plain_identifiers, remembered_configurations


def test_a_configuration_is_worked_out_once_and_is_the_same() -> None:
    expectation = gxe.ExpectColumnValuesToBeBetween(column="a", min_value=1, max_value=2, meta={"check": "x"})
    plain = expectation.configuration

    with remembered_configurations():
        assert expectation.configuration == plain
        assert expectation.configuration is expectation.configuration
        other = gxe.ExpectColumnValuesToBeBetween(column="b", min_value=1, max_value=2)
        assert other.configuration.kwargs["column"] == "b"

    assert expectation.configuration is not expectation.configuration


def test_it_ends_even_when_the_block_fails() -> None:
    before = Expectation.__dict__["configuration"]
    with pytest.raises(ValueError, match="stop"), remembered_configurations():
        raise ValueError("stop")
    assert Expectation.__dict__["configuration"] is before


@pytest.mark.parametrize(
    "arguments",
    [
        {"column": "a", "batch_id": "b"},
        {"min_value": 1.5, "values": ["x", None]},
        {"day": date(2026, 1, 5), "table": "t"},
    ],
)
def test_identifiers_stay_what_they_are(arguments: dict[str, object]) -> None:
    plain = IDDict(arguments).to_id()
    with plain_identifiers():
        assert IDDict(arguments).to_id() == plain

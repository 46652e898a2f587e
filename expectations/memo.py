"""Great Expectations without its repetitions, for as long as one validation takes.

`Expectation.configuration` is a property that turns the whole model into dictionaries anew at each reading, and validating
reads it some seventy times per expectation: a third of the time of a gate over a few thousand rows. An expectation does not
change while it is validated, so the first answer is as good.

Belongs here: such shortcuts, each undone when its block ends. Does not belong here: anything that changes an answer.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def remembered_configurations() -> Iterator[None]:
    """Within the block, each expectation object works out its configuration once."""
    from great_expectations.expectations.expectation import Expectation

    original = Expectation.__dict__["configuration"]
    # The expectation is kept beside its configuration, so that its id is not given to another object meanwhile.
    known: dict[int, tuple[Expectation, Any]] = {}

    def configuration(self: Expectation) -> Any:
        found = known.get(id(self))
        if found is None:
            found = known[id(self)] = (self, original.fget(self))
        return found[1]

    Expectation.configuration = property(configuration)  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        Expectation.configuration = original  # type: ignore[method-assign]


@contextmanager
def plain_identifiers() -> Iterator[None]:
    """Within the block, what JSON can hold is not converted for JSON before a metric's identifier is taken of it.

    Great Expectations asks numpy and pandas about every value of every metric's arguments: a fifth of a gate's time.
    """
    from great_expectations.core import id_dict

    original = id_dict.convert_to_json_serializable

    def converted(data: Any) -> Any:
        try:
            json.dumps(data)
        except (TypeError, ValueError):
            return original(data)
        return data

    id_dict.convert_to_json_serializable = converted
    try:
        yield
    finally:
        id_dict.convert_to_json_serializable = original

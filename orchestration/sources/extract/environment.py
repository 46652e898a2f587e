"""Credentials from the environment variables that a contract names.

Belongs here: looking a variable up, and saying which one is missing. Does not belong here: any value of one, in any
message.
"""

import os
from collections.abc import Mapping

from orchestration.sources.contract import Contract
from orchestration.sources.extract.errors import AccessError

Environment = Mapping[str, str]


def value_of(contract: Contract, variable: str, environment: Environment | None = None) -> str:
    """The variable's value. Raises AccessError when it is not set or empty."""
    value = (os.environ if environment is None else environment).get(variable, "")
    if not value:
        raise AccessError(
            f"{contract.source}: the environment variable {variable}, which {contract.path.name} names, is not set. "
            "Set it for the process that runs Kindred, and run the day again."
        )
    return value

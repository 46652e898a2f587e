"""What a test does on a machine that lacks a program it needs: fail in CI, which has to install it, skip elsewhere."""

import os
from typing import NoReturn

import pytest


def lacking(program: str, way_out: str) -> NoReturn:
    """End the test: skipped on a user's machine, saying what is missing and how to get it; failed in CI."""
    message = f"{program} is not installed. {way_out}"
    if os.environ.get("CI"):
        pytest.fail(message, pytrace=False)
    pytest.skip(message)

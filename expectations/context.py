"""The Great Expectations context: made in memory, once per process, with nothing kept and nothing sent.

Suites are code and results live in the warehouse, so there is no project folder, no store and no configuration file.
Gates need no context at all; Data Docs do.

Belongs here: making the context. Does not belong here: running suites, or what pages look like.
"""

import logging
import os
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from great_expectations.data_context import EphemeralDataContext


@lru_cache(maxsize=1)
def quiet_context() -> "EphemeralDataContext":
    """The process's context, in memory, with analytics off and without the documentation site that it comes with."""
    os.environ["GX_ANALYTICS_ENABLED"] = "False"
    import great_expectations as gx

    # It sets its own level and tells of a temporary folder amid what the user reads.
    logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARNING)
    context = gx.get_context(mode="ephemeral")
    for name in list(context.variables.data_docs_sites or {}):
        context.delete_data_docs_site(name)
    return context

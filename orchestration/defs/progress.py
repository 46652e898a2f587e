"""A Dagster logger that hands each event to a listener of this process: how `kindred run` shows progress.

Belongs here: the bridge alone. What is shown is decided by the listener (see `orchestration.daily`).
"""

import logging
from collections.abc import Callable
from contextvars import ContextVar

import dagster as dg

Listener = Callable[[dg.DagsterEvent], None]

listener: ContextVar[Listener | None] = ContextVar("kindred_progress_listener", default=None)


class _Bridge(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        hear = listener.get()
        event = getattr(record, "dagster_meta", {}).get("dagster_event")
        if hear is not None and event is not None:
            hear(event)


@dg.logger(None, "Hands events to the listener of this process; silent without one.")
def progress_logger(_: dg.InitLoggerContext) -> logging.Logger:
    """A logger without output of its own."""
    logger = logging.Logger("kindred.progress", level=logging.DEBUG)
    logger.addHandler(_Bridge())
    return logger

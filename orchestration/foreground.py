"""Running a server in the foreground until it is told to stop, so that nothing that it started outlives it.

Belongs here: signals and process groups. Does not belong here: which server that is (see `cli.dev`).
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from orchestration.config import keep_to_owner

# How long the server may take to end its runs and its own children, and then what is left of them to end.
GRACE_SECONDS = 20.0
LAST_SECONDS = 5.0
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PR_SET_PDEATHSIG = 1


def serve(command: Sequence[str], folder: Path) -> int:
    """Run the command in a folder until it ends or this process is asked to stop (Ctrl-C, SIGTERM, a closed terminal).

    Everything that it starts is in a session of its own, which is ended with it; files are for their owner alone. A shell
    starts what runs in its background with SIGINT ignored, and Dagster takes SIGTERM for the same: without handlers of our
    own such a server could only be killed, and its children stayed behind.

    Returns the command's exit code; 0 when it was asked to stop.
    """
    keep_to_owner()
    previous = {number: signal.signal(number, _interrupt) for number in _STOPPING}
    process = subprocess.Popen(command, cwd=folder, start_new_session=True, preexec_fn=_end_with_parent)
    try:
        return process.wait()
    except KeyboardInterrupt:
        _ask(process)
        return 0
    finally:
        _end_session(process.pid)
        for number, handler in previous.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt


def _ask(process: subprocess.Popen[bytes]) -> None:
    """Ask the server to stop, and wait. Asked again meanwhile, it is ended at once."""
    try:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=GRACE_SECONDS)
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        pass


def _end_session(leader: int) -> None:
    """End what is left of the session: politely, then without asking."""
    for number, seconds in ((signal.SIGTERM, LAST_SECONDS), (signal.SIGKILL, LAST_SECONDS)):
        deadline = time.monotonic() + seconds
        try:
            os.killpg(leader, number)
            while time.monotonic() < deadline:
                os.killpg(leader, 0)
                time.sleep(0.05)
        except (ProcessLookupError, PermissionError):
            return


def _end_with_parent() -> None:
    """In the child: Linux ends it when this process dies without having said so."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

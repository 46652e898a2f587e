"""A server in the foreground: what it writes is its owner's alone, and nothing that it started outlives it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestration.config import PROJECT_ROOT

# It writes a file, starts a child that nobody told to end with it, and takes no hint itself when it is stubborn.
SERVER = """
import pathlib, signal, subprocess, sys, time
if {stubborn}:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
pathlib.Path("made.txt").write_text(str(child.pid))
pathlib.Path("ready").touch()
time.sleep(300 if {lasting} else 0)
"""
KINDRED = """
import sys
from pathlib import Path
from orchestration import foreground
foreground.GRACE_SECONDS = 1.0
sys.exit(foreground.serve([sys.executable, "-c", sys.argv[1]], Path(sys.argv[2])))
"""


def _start(folder: Path, *, lasting: bool = True, stubborn: bool = False) -> subprocess.Popen[bytes]:
    """Start it as a shell starts what runs in its background: with Ctrl-C ignored, and an open umask."""
    script = SERVER.format(lasting=lasting, stubborn=stubborn)
    return subprocess.Popen(
        [sys.executable, "-c", KINDRED, script, str(folder)],
        cwd=PROJECT_ROOT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN) and None,
        umask=0o022,
    )


def _child(folder: Path) -> int:
    deadline = time.monotonic() + 30
    while not (folder / "ready").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return int((folder / "made.txt").read_text())


def _is_gone(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] == "Z":
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_asked_to_stop_it_takes_its_children_along(tmp_path: Path, how: signal.Signals) -> None:
    kindred = _start(tmp_path)
    child = _child(tmp_path)

    kindred.send_signal(how)

    assert kindred.wait(timeout=20) == 0
    assert _is_gone(child)
    assert ((tmp_path / "made.txt").stat().st_mode & 0o777) == 0o600


def test_a_server_that_does_not_listen_is_ended(tmp_path: Path) -> None:
    kindred = _start(tmp_path, stubborn=True)
    child = _child(tmp_path)

    kindred.terminate()

    assert kindred.wait(timeout=20) == 0
    assert _is_gone(child)


def test_a_server_that_ends_by_itself_leaves_no_child(tmp_path: Path) -> None:
    kindred = _start(tmp_path, lasting=False)
    child = _child(tmp_path)

    assert kindred.wait(timeout=20) == 0
    assert _is_gone(child)

"""Create `.venv` and install into it exactly what requirements.lock names, by hash. Needs Python 3.11 and nothing else.

Belongs here: the installation, with the standard library only. Does not belong here: anything that runs Kindred.
"""

import hashlib
import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements.lock"
STAMP = VENV / "installed.sha256"
PYTHON = VENV / "bin" / "python"
OLDEST = (3, 11)
NEWEST = (3, 13)


def main() -> int:
    """Install if the lock, the project file or the interpreter changed since the last installation."""
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        print(
            f"Kindred needs Python {OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}; this is {sys.version.split()[0]}. "
            "Name another one: make setup PYTHON=python3.12"
        )
        return 1
    wanted = _fingerprint()
    if STAMP.exists() and STAMP.read_text() == wanted and PYTHON.exists():
        return 0
    print("Installing Kindred into .venv, once; this takes a minute or two ...", flush=True)
    if not PYTHON.exists():
        try:
            venv.EnvBuilder(with_pip=True, clear=True).create(VENV)
        except (subprocess.CalledProcessError, OSError) as error:
            print(f"The environment cannot be made: {error}. On Debian and Ubuntu, install python3-venv first.")
            return 1
    elif not _has_pip():  # Such an environment is what `uv venv` makes.
        subprocess.run([str(PYTHON), "-m", "ensurepip"], check=False, capture_output=True)
    installer = _uv() or [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # The lock is complete: nothing is left to resolve, and pip cannot resolve extras under hashes.
    for arguments in (
        ["--no-deps", "--require-hashes", "-r", str(LOCK)],
        ["--no-deps", "--no-build-isolation", "-e", str(ROOT)],
    ):
        if subprocess.run([*installer, *arguments], check=False).returncode != 0:
            print("The installation failed; see the message above. Run the same command again to go on.")
            return 1
    STAMP.write_text(wanted)
    return 0


def _fingerprint() -> str:
    digest = hashlib.sha256(sys.version.encode())
    for path in (LOCK, ROOT / "pyproject.toml"):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _has_pip() -> bool:
    return subprocess.run([str(PYTHON), "-m", "pip", "--version"], check=False, capture_output=True).returncode == 0


def _uv() -> list[str] | None:
    """Install uv, at the locked version, and return its install command; None when it cannot be had."""
    block = re.search(r"^uv==.*?(?=^\S)", LOCK.read_text() + "\nend", re.MULTILINE | re.DOTALL)
    if block is None:
        return None
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(re.sub(r"^\s+#.*\n", "", block.group(), flags=re.MULTILINE))
        file.flush()
        pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        if (
            subprocess.run([*pip, "--require-hashes", "-r", file.name], check=False, capture_output=True).returncode
            != 0
        ):
            return None
    return [str(VENV / "bin" / "uv"), "pip", "install", "--quiet", "--compile-bytecode", "--python", str(PYTHON)]


if __name__ == "__main__":
    sys.exit(main())

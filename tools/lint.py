"""Every linter, as CI runs them: ruff (lint and format), mypy, sqlfluff. Exit code 0 when all are clean."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
COMMANDS = (
    ["ruff", "check", "."],
    ["ruff", "format", "--check", "."],
    ["mypy", "orchestration", "expectations"],
    ["sqlfluff", "lint", "--disable-progress-bar", "dbt_project/models", "dbt_project/tests"],
)


def main() -> int:
    """Run them all, so that one failure does not hide another."""
    codes = []
    for name, *arguments in COMMANDS:
        print(f"== {name} {' '.join(arguments)}", flush=True)
        codes.append(subprocess.run([str(BIN / name), *arguments], cwd=ROOT, check=False).returncode)
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())

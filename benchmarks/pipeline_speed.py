"""How long the sample takes from landing to the published file, and how fast the command line answers.

    .venv/bin/python benchmarks/pipeline_speed.py [--customers 2000] [--days 3]

Belongs here: seconds of the whole, with the machine's load beside them, because another process's work counts too. The
budgets are those of the project's first issue: 60 seconds for 2,000 customers and 3 days on 2 cores, 1 second for
`kindred --help`.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

KINDRED = Path(sys.executable).parent / "kindred"
PROJECT = Path(__file__).resolve().parent.parent
RUN_BUDGET, HELP_BUDGET = 60.0, 1.0
AS_IN_MAKE_RUN = (2000, 3)


def main() -> int:
    """Measure and print; exit code 1 when a budget is missed."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--customers", type=int, default=2000)
    arguments.add_argument("--days", type=int, default=3)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="kindred-speed-") as folder:
        environment = {**os.environ, "KINDRED_DATA": folder}
        help_seconds = min(timed(["--help"], environment) for _ in range(3))
        # The project is parsed anew, as behind an installation.
        shutil.rmtree(PROJECT / "dbt_project" / "target" / "parsed", ignore_errors=True)
        sample_seconds = 0.0
        if (given.customers, given.days) != AS_IN_MAKE_RUN:
            sample = ["sample", "--customers", str(given.customers), "--days", str(given.days)]
            sample_seconds = timed([*sample, "--out", f"{folder}/landing"], environment)
        run_seconds = timed(["run", "--all", "--sample-if-empty"], environment)
        again_seconds = timed(["run", "--all"], environment)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"\nkindred --help           {help_seconds:6.2f} s   budget {HELP_BUDGET:g} s")
    print(f"sample and run --all     {sample_seconds + run_seconds:6.1f} s   budget {RUN_BUDGET:g} s, as in make run")
    print(f"kindred run --all again  {again_seconds:6.1f} s")
    print(
        f"processor time in all    {used.ru_utime + used.ru_stime:6.1f} s, peak memory {used.ru_maxrss / 1024:.0f} MB"
    )
    print(f"load average             {os.getloadavg()[0]:6.2f} on {os.cpu_count()} cores")
    return 0 if sample_seconds + run_seconds <= RUN_BUDGET and help_seconds <= HELP_BUDGET else 1


def timed(command: list[str], environment: dict[str, str]) -> float:
    """Seconds of one command, which must succeed."""
    started = time.perf_counter()
    subprocess.run([str(KINDRED), *command], env=environment, check=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())

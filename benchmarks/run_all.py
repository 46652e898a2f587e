"""Every benchmark, one after the other: `make bench`. A benchmark whose data are not there says so and is passed over."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
BENCHMARKS = (
    "pipeline_speed.py",
    "collect_speed.py",
    "gate_speed.py",
    "linkage_speed.py",
    "encryption_cost.py",
    "erasure_speed.py",
    "accuracy.py",
    "real_input/run.py",
)


def main() -> int:
    """Run all, and fail when one failed."""
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    codes = {}
    for name in BENCHMARKS:
        print(f"\n== {name}", flush=True)
        codes[name] = subprocess.run([sys.executable, str(HERE / name)], env=environment, check=False).returncode
    print("\n" + "\n".join(f"{name:<24} {'ok' if code == 0 else f'exit code {code}'}" for name, code in codes.items()))
    return max(codes.values())


if __name__ == "__main__":
    sys.exit(main())

"""Quality gates between the stages: Great Expectations suites run over SQL, quarantine, and the history of results.

Belongs here: running suites, holding back rows, keeping results. Does not belong here: what is expected of a table
(see `expectations.suites`), or Dagster's asset checks.

The gate itself is `orchestration.quality.gate.run_gate`, imported when it is needed: Great Expectations takes seconds.
"""

from orchestration.quality.errors import GateError
from orchestration.quality.results import CheckResult, GateResult, RunContext

__all__ = ["CheckResult", "GateError", "GateResult", "RunContext"]

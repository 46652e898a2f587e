"""Quality gates between the stages: Great Expectations suites run over SQL, quarantine, and the history of results.

Belongs here: running suites, holding back rows, keeping results. Does not belong here: what is expected of a table
(see `expectations.suites`), or Dagster's asset checks.
"""

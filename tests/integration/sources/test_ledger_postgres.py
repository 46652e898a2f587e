"""The ledger in a real Postgres: one chain from two writers, decisions as they were made, tampering found."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date

from orchestration.ledger.audit import entries, verify
from orchestration.ledger.decisions import RowDecision, append_decisions, read_decisions
from orchestration.ledger.store import Ledger
from tests.integration.sources.servers_for_tests import Postgres

DAY = date(2026, 1, 5)
EACH = 5


def _decision(row: int) -> RowDecision:
    values = {"name": "Zoë", "born": None}
    return RowDecision("t", DAY, "f.csv", row, "replay", values, None, ("type:born",), ("name", "born"), "0" * 64)


def test_two_writers_make_one_chain_that_shows_tampering(postgres: Postgres) -> None:
    def write(writer: int) -> None:
        ledger = Ledger(postgres.url)
        for number in range(EACH):
            row = writer * EACH + number
            append_decisions(
                ledger,
                [_decision(row)],
                actor=f"w{writer}",
                action="quarantine.replay",
                subject="raw.t",
                details={"n": row},
            )
        ledger.close()

    Ledger(postgres.url).close()
    write(0)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, (1, 2)))
    ledger = Ledger(postgres.url)
    assert [entry.seq for entry in entries(ledger)] == list(range(1, 3 * EACH + 1))
    assert verify(ledger) == []
    kept = read_decisions(ledger, "t", DAY)
    assert sorted(decision.row for decision in kept) == list(range(3 * EACH))
    assert kept[0].corrections == {"name": "Zoë", "born": None}
    assert kept[0].seen_columns == ("name", "born")
    postgres.execute("update audit_log set actor = 'eve' where seq = 7")
    assert verify(ledger) == ["entry 7 was changed: its content does not give its hash"]
    ledger.close()

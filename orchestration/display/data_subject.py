"""What `kindred erase`, `kindred export-subject` and `kindred retention` show. No logic.

Shows counts, ids of requests and paths; never a person's value.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from orchestration.display.console import console, plain_table

if TYPE_CHECKING:
    from orchestration.privacy.erasure import Done, Plan
    from orchestration.privacy.holdings import Holding
    from orchestration.privacy.retention import Expired
    from orchestration.privacy.subject_export import Exported

_STEP_WORDS = {
    "tombstones": "writing tombstones",
    "ledger": "taking decisions about the person out of the ledger",
    "landing": "rewriting landed files",
    "warehouse": "deleting from the warehouse",
    "models": "taking values out of linkage models",
    "aggregates": "computing aggregates anew",
    "files": "blanking logs, documents and event storage",
    "rewrite": "writing databases anew",
    "publish": "publishing anew",
    "verify": "searching for leftovers",
}


@contextmanager
def erasure_progress() -> Iterator[Callable[[str], None]]:
    """Say which step is going on."""
    with console.status("finding what is held") as status:

        def on_step(step: str) -> None:
            status.update(_STEP_WORDS.get(step, step))

        yield on_step


def show_plan(plan: "Plan") -> None:
    """What an erasure would remove."""
    console.print(
        f"{_people(plan.people)}: {_counted(plan.customers, 'customer id')}, {_counted(plan.records, 'record')}. Nothing was changed.",
        highlight=False,
    )
    _holdings(plan.holdings, "would be removed")
    console.print(f"computed anew: {', '.join(plan.rebuilt) or 'nothing'}", highlight=False)
    console.print(f"{plan.values} distinctive values would be searched for afterwards", highlight=False)


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def show_erased(done: Sequence["Done"]) -> None:
    """What was removed, and where the certificate lies."""
    if not done:
        console.print("Nothing to do.")
    for item in done:
        _holdings(item.holdings, "removed")
        console.print(f"Request     {item.request_id}\nCertificate {item.certificate}", highlight=False, soft_wrap=True)


def show_lifted(request_id: str, people: int) -> None:
    """How many people may come in again."""
    console.print(
        f"{_people(people)} of {request_id} will be taken in again when a source sends them."
        if people
        else f"{request_id} holds nobody back: no such request, or lifted before.",
        highlight=False,
    )


def show_exported(exported: "Exported") -> None:
    """What was written where."""
    _holdings(exported.holdings, "written")
    console.print(f"JSON  {exported.json}\nPage  {exported.page}", highlight=False, soft_wrap=True)


def show_expired(expired: Sequence["Expired"]) -> None:
    """What has been kept long enough."""
    if not expired:
        console.print("Nothing has expired.")
        return
    table = plain_table("table", "kept for", "expired before")
    table.add_column("rows", justify="right")
    for item in expired:
        table.add_row(item.table, item.retention, str(item.before), f"{item.rows:,}")
    console.print(table)


def _holdings(holdings: Sequence["Holding"], word: str) -> None:
    table = plain_table("store", "name")
    table.add_column(word, justify="right")
    for item in holdings:
        table.add_row(item.store, item.name, f"{item.rows:,}")
    console.print(table)


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count:,} people"

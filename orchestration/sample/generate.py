"""The generator of the sample company, from nothing to landing files and truth.

Belongs here: the order of days and sources, and the checks before anything is written. Does not belong here: what a
source delivers (see `channels`).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from orchestration.sample.channels.base import Context, Today
from orchestration.sample.channels.crm import Crm
from orchestration.sample.channels.loyalty import Loyalty
from orchestration.sample.channels.marketing import Marketing
from orchestration.sample.channels.shop import Shop
from orchestration.sample.channels.social import Social
from orchestration.sample.channels.support import Support
from orchestration.sample.channels.web import Web
from orchestration.sample.delivery import MARKER, Log, SampleError
from orchestration.sample.rates import SOURCES
from orchestration.sample.render import connect
from orchestration.sample.truth import write_truth
from orchestration.sample.words import load_words
from orchestration.sample.world import World
from orchestration.sources.landed import read_bytes

DEFAULT_START = date(2026, 1, 5)


@dataclass(frozen=True)
class SampleSummary:
    """What was written."""

    landing: Path
    truth: Path
    people: int
    households: int
    records: int
    """Customer records ever sent, over all sources."""
    rows: dict[tuple[str, str, str], int]
    """Rows per (source, day, file), header not counted."""
    defects: dict[str, int]
    """Planted bad rows and placeholders, by kind."""

    def rows_by_source(self) -> dict[str, int]:
        """Rows of all days and files of each source."""
        totals = dict.fromkeys(SOURCES, 0)
        for (source, _, _), count in self.rows.items():
            totals[source] += count
        return totals


def generate(
    customers: int,
    days: int,
    seed: int,
    out: Path,
    truth: Path | None = None,
    start: date = DEFAULT_START,
) -> SampleSummary:
    """Write the daily landing files of a retailer with `customers` people on the first day, and the truth about them.

    The first day holds all history, each later one its changes. The same arguments give the same bytes, and a longer
    sample begins with the same days. `truth` defaults to the folder `sample_truth` beside `out`.

    Raises:
        SampleError: an argument is out of range, or `out` holds a day that is not this generator's.
    """
    if customers < 1 or days < 1:
        raise SampleError(f"customers and days must be at least 1, not {customers} and {days}")
    if seed < 0:
        raise SampleError(f"seed must not be negative, not {seed}")
    truth = truth if truth is not None else out.parent / "sample_truth"
    if truth.resolve().is_relative_to(out.resolve()):
        raise SampleError(f"the truth folder {truth} lies inside landing {out}, which the pipeline reads; name another")
    identity: dict[str, object] = {"customers": customers, "seed": seed, "start": start.isoformat()}
    _refuse_foreign_days(out, [start + timedelta(days=i) for i in range(days)], identity)

    con = connect()
    try:
        world = World(load_words(), seed, customers, start)
        ctx = Context(world, con, out, start, seed, identity, Log())
        loyalty, shop = Loyalty(ctx), Shop(ctx)
        crm, marketing, social, support = Crm(ctx, loyalty), Marketing(ctx), Social(ctx), Support(ctx)
        web = Web(ctx, shop)
        for number in range(days):
            newcomers, events = world.advance(number)
            today = Today(number, world.day_start(number), world.day_start(number + 1), newcomers, events)
            # Loyalty before the CRM, which notes members' cards; the shop before the web, where its orders are placed.
            for channel in (loyalty, crm, shop, web, support, marketing, social):
                channel.deliver(today)
        books = [crm.book, shop.book, support.book, loyalty.book, marketing.book, social.book]
        write_truth(con, world, books, web, ctx.log, truth)
    finally:
        con.close()
    defects = ctx.log.defect_table()["kind"].value_counts().to_pylist()
    sent = sum(int(book.sent.sum()) for book in [*books, web.book]) + int(web.sent_accounts.sum())
    return SampleSummary(
        landing=out,
        truth=truth,
        people=len(world.people),
        households=len(world.households),
        records=sent,
        rows=dict(ctx.log.rows),
        defects={entry["values"]: entry["counts"] for entry in sorted(defects, key=lambda entry: entry["values"])},
    )


def _refuse_foreign_days(out: Path, days: list[date], identity: dict[str, object]) -> None:
    """Stop before days of somebody else are replaced, or days of another sample are mixed in.

    A day of this generator may be replaced. Its days beyond those asked for may stay only if they are of the same
    sample: two samples in one landing folder would be two companies with the same keys.
    """
    wanted = {day.isoformat() for day in days}
    for source in SOURCES:
        for folder in _day_folders(out / source):
            mark = _marker(folder)
            if folder.name in wanted:
                if mark is None and any(folder.iterdir()):
                    raise SampleError(
                        f"{folder} holds files that the sample generator did not write; "
                        "move them away, or name another folder with --out"
                    )
            elif mark is not None and mark != identity:
                raise SampleError(
                    f"{folder} is a day of another sample ({_words(mark)}) than the one asked for "
                    f"({_words(identity)}); delete {out}, or name another folder with --out"
                )


def _day_folders(source: Path) -> Iterator[Path]:
    if source.is_dir():
        yield from sorted(p for p in source.iterdir() if p.is_dir() and not p.name.startswith("."))


def _marker(folder: Path) -> dict[str, object] | None:
    """The identity of the sample that wrote the folder; None when none did."""
    path = folder / MARKER
    if not path.is_file():
        return None
    try:
        found = json.loads(read_bytes(path))
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _words(identity: dict[str, object]) -> str:
    return ", ".join(f"{key} {value}" for key, value in sorted(identity.items()))

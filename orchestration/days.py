"""Which days a run is for: the landed ones, and those that a source can still be asked for.

Belongs here: turning what the command line was given into days. Does not belong here: running them (see `daily`) and
asking a source (see `sources.extract`).
"""

from datetime import UTC, date, datetime, timedelta

from orchestration.errors import KindredError
from orchestration.project import Project
from orchestration.sources.contract import Contract
from orchestration.sources.deliveries import landed_days
from orchestration.sources.extract import can_take, is_asked, land_day
from orchestration.sources.extract.state import STATE_FILE


class NothingLandedError(KindredError):
    """There is no landing day to run."""


def days_between(project: Project, first: date | None, last: date | None) -> list[date]:
    """The days from `first` to `last`, both included and None for open, in order: a backfill.

    These are the days that have landed, and those that have not but for which a source can still be asked (see
    `sources.extract.can_take`), unless another source owes a delivery for the day: without it the day cannot be published.

    Raises NothingLandedError when there is none in that range.
    """
    landed = landed_days(project.settings.landing, project.sources)
    days = {day for day in landed if (first is None or day >= first) and (last is None or day <= last)}
    asked = [contract for contract in project.contracts if is_asked(contract)]
    start, end = first or (landed[0] if landed else None), last or _today()
    if asked and start is not None and not _owed_by_others(project):
        days |= {day for day in _calendar(start, min(end, _today())) if any(can_take(c, day) for c in asked)}
    if not days:
        span = f"from {first or 'the first day'} to {last or 'the last'}"
        known = f"landed are {landed[0]} to {landed[-1]}" if landed else "no day has landed at all"
        raise NothingLandedError(f"nothing has landed {span}; {known}")
    return sorted(days)


def days_to_run(project: Project, day: date | None, *, every: bool) -> list[date]:
    """The landed days to run, in order: the given one, every one, or by default the newest.

    A source that Kindred asks itself (a database, an API, a bucket) can have any day run that has not landed; when all
    sources are such, or nothing has landed, today counts as landed.

    Raises NothingLandedError when no such day has landed.
    """
    landed = landed_days(project.settings.landing, project.sources)
    asked = [contract for contract in project.contracts if is_asked(contract)]
    if asked and _today() not in landed and (len(asked) == len(project.contracts) or not landed):
        landed = sorted([*landed, _today()])
    if day is not None:
        if day not in landed and not asked:
            near = ", ".join(str(other) for other in landed[-3:]) or "none"
            raise NothingLandedError(f"nothing has landed for {day}; the newest landed days are: {near}")
        return [day]
    if not landed:
        raise NothingLandedError(
            f"no landing day in {project.settings.landing} for the sources {', '.join(sorted(project.sources))}. "
            "Put files under <source>/<YYYY-MM-DD>/, or make the sample with `kindred sample`."
        )
    return landed if every else landed[-1:]


def extract_again(project: Project, days: list[date]) -> None:
    """Take the landed days anew from the sources that Kindred asks itself; files that others put there stay.

    Raises:
        ExtractError: a source cannot be taken; days before that one have been taken anew.
        WarehouseLockedError: another run is going on.
    """
    with project.exclusive():
        for day in days:
            for contract in project.contracts:
                if is_asked(contract) and not _put_there_by_others(project, contract, day) and can_take(contract, day):
                    land_day(contract, day, project.settings.landing, again=True)


def _put_there_by_others(project: Project, contract: Contract, day: date) -> bool:
    folder = project.settings.landing / contract.source / day.isoformat()
    if not folder.is_dir() or (folder / STATE_FILE).is_file():
        return False
    return any(path.name[0] not in "._" for path in folder.iterdir())


def _owed_by_others(project: Project) -> bool:
    return any(contract.daily and not is_asked(contract) for contract in project.contracts)


def _calendar(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _today() -> date:
    return datetime.now(UTC).date()

"""Endpoints of a REST API, landed as JSON Lines: a record a line, page by page, going on where an attempt broke off.

Belongs here: records out of answers, what of them is new, and their file. Does not belong here: HTTP (see `client`),
pages (see `paging`).
"""

import json
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from orchestration.sources.contract import Contract, Table
from orchestration.sources.extract.client import Answer, Client, GoneError
from orchestration.sources.extract.environment import Environment
from orchestration.sources.extract.errors import AnswerError
from orchestration.sources.extract.paging import Page, at_path, first_page, next_page, parameters_of
from orchestration.sources.extract.position import Position, Tracker, Window, mark_of
from orchestration.sources.extract.progress import Progress
from orchestration.sources.extract.state import DayState, TableState
from orchestration.sources.landed import create, open_landed, write_whole
from orchestration.sources.servers import ApiServer, Origin

_NUMBERS = ("bigint", "double", "decimal")
_TIMES = ("timestamp", "date")


def take_endpoints(
    contract: Contract,
    server: ApiServer,
    windows: Mapping[str, Window],
    folder: Path,
    progress: Progress,
    environment: Environment | None = None,
    client: Callable[..., Client] = Client,
) -> DayState:
    """Write `<table>.jsonl` for every table of the contract.

    Every page is on disk, in a file of its own, before the next is asked for; an attempt that fails leaves pages and
    progress, and the next one goes on behind the last page. Records that come twice because the list moved between two pages are taken once.

    Raises:
        UnreachableError: no answer after all attempts.
        AccessError: a credential is missing or refused.
        AnswerError: the answers are not what the contract says.
    """
    tables = {}
    with client(contract, server, environment) as api:
        for table in contract.tables:
            tables[table.name] = _Endpoint(api, contract, server, table, windows[table.name]).take(folder, progress)
    return DayState(tables=tables)


class _Endpoint:
    """Takes one table's endpoint."""

    def __init__(self, api: Client, contract: Contract, server: ApiServer, table: Table, window: Window) -> None:
        assert table.origin is not None
        self.api = api
        self.paging = server.paging
        self.auth = server.auth
        self.table = table
        self.origin: Origin = table.origin
        self.window = window
        self.label = f"{contract.source}: endpoint {self.origin.name}"
        self.address = api.address(f"{server.url}/{self.origin.name.lstrip('/')}")

    def take(self, folder: Path, progress: Progress) -> TableState:
        """Read every page that is left and return where the table then stands."""
        path = folder / self.table.file_glob
        pages = folder / f"_{self.table.name}.pages"
        step = progress.get(self.table.name)
        if step is not None and step["page"] is None and path.is_file() and not pages.exists():
            return self._state(step)
        if step is not None and not all(_page(pages, number).is_file() for number in range(step["pages"])):
            step = None
        try:
            step = self._read(pages, progress, step)
        except GoneError:
            if step is None:
                raise
            # The page that an earlier attempt remembered has expired.
            step = self._read(pages, progress, None)
        _put_together([_page(pages, number) for number in range(step["pages"])], path)
        shutil.rmtree(pages)
        return self._state(step)

    def _read(self, pages: Path, progress: Progress, step: dict[str, Any] | None) -> dict[str, Any]:
        """Read every page that is left, each into its file, and return the last step."""
        page = first_page(self.paging) if step is None else Page.from_json(step["page"]) if step["page"] else None
        position = Position.from_json(step["position"]) if step and step["position"] else None
        tracker, rows = Tracker(self.window.lower, position), step["rows"] if step else 0
        number = step["pages"] if step else 0
        if self.window.is_empty:
            page = None
        if step is None:
            shutil.rmtree(pages, ignore_errors=True)
        pages.mkdir(exist_ok=True)
        written = {mark for i in range(number) for mark in _marks_of_lines(_page(pages, i))}
        asked: set[Page] = set()
        before: str | None = None
        while page is not None:
            asked.add(page)
            answer = self._ask(page)
            records = self._records(answer)
            content = mark_of(json.dumps(records).encode())
            if self.paging.style in ("page", "offset") and records and content == before:
                raise AnswerError(
                    f"{self.label}: {self.paging.parameter}={page.value} gives the same records as the page before; "
                    "the server does not know the parameter. Correct paging in the contract."
                )
            before = content
            lines = self._new_lines(records, tracker, written)
            write_whole(_page(pages, number), b"".join(line + b"\n" for line in lines))
            number, rows = number + 1, rows + len(lines)
            page = self._following(page, answer, len(records), asked)
            step = self._step(page, number, rows, tracker)
            progress.set(self.table.name, step)
        return step or self._step(None, number, rows, tracker)

    def _ask(self, page: Page) -> Answer:
        if page.address is not None:
            return self.api.get(self.api.address(page.address, self.address), {})
        parameters = {**self.origin.parameters, **parameters_of(self.paging, page)}
        if self.origin.since_parameter and self.window.lower is not None:
            parameters[self.origin.since_parameter] = _as_parameter(self.window.lower.cursor)
        if self.origin.until_parameter and self.window.before is not None:
            moment = self.window.before
            parameters[self.origin.until_parameter] = _as_parameter(
                moment.date() if self.origin.cursor_type == "date" else moment
            )
        return self.api.get(self.address, parameters)

    def _records(self, answer: Answer) -> list[dict[str, Any]]:
        found = at_path(answer.body, self.origin.records_path) if self.origin.records_path else answer.body
        if not isinstance(found, list) or not all(isinstance(record, dict) for record in found):
            keys = f"an object with {', '.join(answer.body)}" if isinstance(answer.body, dict) else "no object"
            where = self.origin.records_path or "the body"
            raise AnswerError(
                f"{self.label}: {where} is no list of records (the body is {keys}). "
                f"Set recordsPath of {self.table.name} in the contract."
            )
        return found

    def _following(self, page: Page, answer: Answer, count: int, asked: set[Page]) -> Page | None:
        following = next_page(self.paging, page, answer, count, self.label)
        if following is not None and following.address is not None and self.auth.scheme == "parameter":
            # Some servers repeat the token in their links; it must not come into the progress file.
            following = Page(address=_without(following.address, self.auth.name))
        if following in asked:
            raise AnswerError(
                f"{self.label}: the next page is one that was already read; the pages go round in a circle. "
                "Correct paging in the contract."
            )
        return following

    def _new_lines(self, records: list[dict[str, Any]], tracker: Tracker, written: set[str]) -> list[bytes]:
        """The records of the window that no earlier page had, as lines."""
        lines = []
        for record in records:
            line = _line(record)
            mark = mark_of(line)
            if mark in written:
                continue
            if self.origin.cursor is not None:
                cursor = self._cursor(at_path(record, self.origin.cursor))
                try:
                    if not self._is_inside(cursor, mark):
                        continue
                    tracker.take(cursor, mark)
                except TypeError as error:
                    raise AnswerError(
                        f"{self.label}: {self.origin.cursor} has values that do not order among each other, or with those "
                        "of the days before (with and without a time zone, numbers and texts): what is new cannot be "
                        "told. Name another cursorColumn."
                    ) from error
            lines.append(line)
            written.add(mark)
        return lines

    def _is_inside(self, cursor: Any, mark: str) -> bool:
        before = self.window.before
        if before is not None and cursor is not None:
            moment = cursor if isinstance(cursor, datetime) else datetime(cursor.year, cursor.month, cursor.day)
            if (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) >= before:
                return False
        return self.window.takes(cursor, mark)

    def _cursor(self, value: Any) -> Any:
        """The cursor as a value that orders: a number, a time, a date or a text."""
        if value is None:
            return None
        kind = self.origin.cursor_type
        if kind.startswith(_NUMBERS) and isinstance(value, int | float) and not isinstance(value, bool):
            return value
        if kind in _TIMES and isinstance(value, str):
            try:
                return date.fromisoformat(value) if kind == "date" else datetime.fromisoformat(value)
            except ValueError:
                pass
        elif kind == "varchar" and isinstance(value, str):
            return value
        raise AnswerError(
            f"{self.label}: the cursor {self.origin.cursor} is {value!r}, which is no {kind}"
            f"{' in ISO 8601' if kind in _TIMES else ''}: what is new cannot be told. Correct cursorColumn or its type."
        )

    def _step(self, page: Page | None, number: int, rows: int, tracker: Tracker) -> dict[str, Any]:
        """What is remembered, once the page is on disk."""
        position = tracker.position
        return {
            "page": page.to_json() if page else None,
            "pages": number,
            "rows": rows,
            "position": position.to_json() if position else None,
        }

    def _state(self, step: dict[str, Any]) -> TableState:
        end = Position.from_json(step["position"]) if step["position"] else None
        return TableState(self.origin.cursor, self.window.lower, end, step["rows"])


def _line(record: dict[str, Any]) -> bytes:
    try:
        return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        # Half a surrogate pair, which UTF-8 cannot hold; the escape can, and the loader says which row it is.
        return json.dumps(record, separators=(",", ":")).encode()


def _page(pages: Path, number: int) -> Path:
    """The file of a page, by its number from 0."""
    return pages / f"{number:08d}.jsonl"


def _marks_of_lines(page: Path) -> set[str]:
    with open_landed(page) as file:
        return {mark_of(line.rstrip(b"\n")) for line in file}


def _put_together(pages: list[Path], path: Path) -> None:
    """Write the table's file of its pages."""
    with create(path) as file:
        size = 0
        for page in pages:
            with open_landed(page) as content:
                while part := content.read(1 << 20):
                    size += file.write(part)
        if not size:
            # A file of 0 bytes is a delivery that broke off; a day without changes is one empty line.
            file.write(b"\n")


def _without(address: str, parameter: str) -> str:
    parts = urlsplit(address)
    query = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name != parameter]
    return urlunsplit(parts._replace(query=urlencode(query)))


def _as_parameter(cursor: Any) -> str:
    """A cursor as a query parameter: times in ISO 8601, UTC with the letter Z."""
    if isinstance(cursor, datetime) and cursor.utcoffset() is not None:
        return cursor.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"
    return cursor.isoformat() if isinstance(cursor, date) else str(cursor)

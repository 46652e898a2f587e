"""From one page of an endpoint to the next, in each style that a contract can name.

Belongs here: the place of a page, the first one, the one after an answer. Does not belong here: HTTP (see `client`)
and what is done with records (see `rest`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestration.sources.extract.client import Answer
from orchestration.sources.extract.errors import AnswerError
from orchestration.sources.servers import Paging


@dataclass(frozen=True)
class Page:
    """Where a page is asked for: a value of the paging parameter, or a whole address."""

    value: int | str | None = None
    address: str | None = None

    def to_json(self) -> dict[str, Any]:
        """For the progress file."""
        return {"value": self.value, "address": self.address}

    @staticmethod
    def from_json(item: Mapping[str, Any]) -> "Page":
        """What `to_json` wrote."""
        return Page(item["value"], item["address"])


def first_page(paging: Paging) -> Page:
    """Where reading begins."""
    return Page(value=paging.first) if paging.style in ("page", "offset") else Page()


def parameters_of(paging: Paging, page: Page) -> dict[str, str]:
    """The query parameters that ask for the page. A page with an address of its own needs none."""
    if page.address is not None:
        return {}
    parameters = {paging.size_parameter: str(paging.size)} if paging.size_parameter else {}
    if page.value is not None:
        parameters[paging.parameter] = str(page.value)
    return parameters


def next_page(paging: Paging, page: Page, answer: Answer, count: int, label: str) -> Page | None:
    """The page after this one, which held `count` records; None when it was the last.

    A short page is no end: servers cap the size that is asked for. Numbered pages end with an empty one, or with the
    total when the contract says where the body holds it.

    Raises AnswerError when the body's cursor is neither a text nor a number.
    """
    match paging.style:
        case "page":
            assert isinstance(page.value, int)
            total = _total(paging, answer)
            last = count == 0 or (total is not None and page.value - paging.first + 1 >= total)
            return None if last else Page(value=page.value + 1)
        case "offset":
            assert isinstance(page.value, int)
            total = _total(paging, answer)
            following = page.value + count
            last = count == 0 or (total is not None and following - paging.first >= total)
            return None if last else Page(value=following)
        case "cursor" | "next_link":
            found = at_path(answer.body, paging.next_path or "")
            if found is None or found in ("", False):
                return None
            if isinstance(found, bool) or not isinstance(found, str | int):
                raise AnswerError(
                    f"{label}: {paging.next_path} is neither a text nor a number; correct paging.nextPath"
                )
            return Page(value=found) if paging.style == "cursor" else Page(address=str(found))
        case "link":
            return Page(address=answer.next_link) if answer.next_link else None
        case _:
            return None


def at_path(body: Any, path: str) -> Any:
    """The value at dotted steps into a JSON object; None where a step is missing."""
    for step in path.split("."):
        if not isinstance(body, dict):
            return None
        body = body.get(step)
    return body


def _total(paging: Paging, answer: Answer) -> int | None:
    found = at_path(answer.body, paging.total_path) if paging.total_path else None
    return found if isinstance(found, int) else None

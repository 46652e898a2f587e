"""A real HTTP server: every paging style, throttling, failures, going on where it stopped, and tokens that stay put."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.sources.extract.errors import AccessError, AnswerError, UnreachableError
from tests.integration.sources.asked import DAYS, PEOPLE, Asked, column, table
from tests.integration.sources.servers_for_tests import Vendor

FIFTH, SIXTH, SEVENTH = DAYS
COLUMNS = [*PEOPLE, column("nested", "object")]
ITEMS = {"recordsPath": "data.items"}
STYLES = {
    "by_page": ({"style": "page"}, ITEMS),
    "by_offset": ({"style": "offset", "size": 2}, ITEMS),
    "by_offset_with_total": ({"style": "offset", "totalPath": "total"}, ITEMS),
    "by_cursor": ({"style": "cursor", "nextPath": "meta.next"}, ITEMS),
    "by_next_link": ({"style": "next_link", "nextPath": "next"}, ITEMS),
    "by_link": ({"style": "link"}, {}),
    "all": ({"style": "none"}, {}),
}


def person(n: int, at: str = "2026-01-05T10:00:00Z") -> dict[str, Any]:
    return {"id": n, "name": f"p{n}", "updated_at": at, "nested": {"deep": [n]}}


@pytest.fixture
def source(vendor: Vendor, tmp_path: Path) -> Callable[..., Asked]:
    def make(style: str = "by_page", delivery: str = "delta", table_options: Any = None, **server: Any) -> Asked:
        paging, records = STYLES[style]
        cursor = {"cursorColumn": "updated_at"} if delivery == "delta" else {}
        described = table(
            physical=style.removesuffix("_with_total"), columns=COLUMNS, **cursor, **records, **(table_options or {})
        )
        custom = {"paging": paging, "auth": {"scheme": "bearer", "variable": "VENDOR_TOKEN"}, **server}
        asked = Asked(
            tmp_path, {"type": "api", "location": vendor.url, "customProperties": custom}, [described], delivery
        )
        asked.environment["VENDOR_TOKEN"] = vendor.token
        return asked

    return make


def landed(people: Asked, day: Any = FIFTH) -> list[int]:
    text = people.files(day)["people.jsonl"].decode()
    return [json.loads(line)["id"] for line in text.splitlines() if line]


@pytest.mark.parametrize("style", STYLES)
def test_every_style_of_paging_brings_every_record_once(
    vendor: Vendor, source: Callable[..., Asked], style: str
) -> None:
    vendor.records = [person(n) for n in range(8)]
    people = source(style)
    assert people.land(FIFTH).rows == 8
    assert landed(people) == list(range(8))
    con = duckdb.connect()
    assert people.load(con, FIFTH).rows_loaded == 8
    assert json.loads(people.files(FIFTH)["people.jsonl"].splitlines()[7]) == person(7)


def test_each_day_takes_what_is_new_until_its_end(vendor: Vendor, source: Callable[..., Asked]) -> None:
    vendor.records = [person(1), person(2, "2026-01-05T23:59:59.5Z"), person(3, "2026-01-06T00:00:00Z")]
    people = source(table_options={"sinceParameter": "since"})
    people.land(FIFTH)
    assert landed(people) == [1, 2]
    assert "since" not in vendor.requests[0]
    vendor.requests.clear()
    # At the very moment of the last one: the server's "since" gives both, and only the new one is taken.
    vendor.records += [person(4, "2026-01-05T23:59:59.5Z"), person(5, "2026-01-07T08:00:00+02:00")]
    people.land(SIXTH)
    assert landed(people, SIXTH) == [3, 4]
    assert "since=2026-01-05T23%3A59%3A59.500000Z" in vendor.requests[0]
    people.land(SEVENTH)
    assert landed(people, SEVENTH) == [5]
    before = {day: people.files(day) for day in DAYS}
    vendor.records.append(person(6, "2026-01-06T12:00:00Z"))
    for day in DAYS[:2]:
        people.land(day, again=True)
        assert people.files(day) == before[day]


def test_a_day_without_changes_is_no_broken_delivery(vendor: Vendor, source: Callable[..., Asked]) -> None:
    vendor.records = [person(1)]
    people = source()
    people.land(FIFTH)
    assert people.land(SIXTH).rows == 0
    load = people.load(duckdb.connect(), SIXTH)
    assert (load.rows_landed, load.rows_quarantined) == (0, 0)


def test_a_snapshot_takes_the_whole_list_each_day(vendor: Vendor, source: Callable[..., Asked]) -> None:
    vendor.records = [person(1), person(2)]
    people = source(delivery="snapshot")
    people.land(SEVENTH)
    vendor.records.pop(0)
    people.land(SEVENTH + timedelta(days=1))
    assert (landed(people, SEVENTH), landed(people, SEVENTH + timedelta(days=1))) == ([1, 2], [2])


def test_a_busy_server_is_given_the_time_it_asks_for(vendor: Vendor, source: Callable[..., Asked]) -> None:
    vendor.records = [person(n) for n in range(4)]
    vendor.answers = ["ok", "429:1", "429:0", "ok"]
    people = source()
    assert people.land(FIFTH).rows == 4
    assert vendor.times[2] - vendor.times[1] >= 1


def test_a_wait_that_is_too_long_ends_the_attempt_and_keeps_the_pages(
    vendor: Vendor, source: Callable[..., Asked]
) -> None:
    vendor.records = [person(n) for n in range(7)]
    vendor.answers = ["ok", "ok", "429:3600"]
    people = source(maxWaitSeconds=2)
    with pytest.raises(UnreachableError, match=r"vendor: endpoint /v1/by_page: the server asks to wait 3600 seconds"):
        people.land(FIFTH)
    assert not people.folder(FIFTH).exists()
    vendor.requests.clear()
    people.land(FIFTH)
    assert landed(people) == list(range(7))
    assert [request.rpartition("&page=")[2] for request in vendor.requests] == ["3", "4"]


def test_errors_of_the_server_and_broken_connections_are_asked_again(
    vendor: Vendor, source: Callable[..., Asked]
) -> None:
    vendor.records = [person(n) for n in range(5)]
    vendor.answers = ["500", "ok", "drop", "cut", "ok"]
    people = source()
    assert people.land(FIFTH).rows == 5
    assert landed(people) == list(range(5))


def test_a_server_that_stays_broken_is_named_and_nothing_lands(vendor: Vendor, source: Callable[..., Asked]) -> None:
    vendor.answers = ["503"] * 3
    people = source(attempts=2)
    with pytest.raises(UnreachableError, match="no answer in 2 attempts, at last status 503"):
        people.land(FIFTH)
    assert not people.folder(FIFTH).exists()


@pytest.mark.parametrize("style", ["by_page", "by_offset", "by_cursor", "by_next_link", "by_link"])
def test_an_attempt_that_broke_off_goes_on_behind_its_last_page(
    vendor: Vendor, source: Callable[..., Asked], style: str
) -> None:
    vendor.records = [person(n) for n in range(9)]
    people = source(style, attempts=1)
    whole = people.land(FIFTH)
    expected, requests = people.files(FIFTH), len(vendor.requests)
    people.landing.joinpath("vendor", str(FIFTH)).rename(people.landing.parent / "elsewhere")
    vendor.requests.clear()
    vendor.answers = ["ok", "ok", "drop"]
    with pytest.raises(UnreachableError, match="a connection that failed or broke off"):
        people.land(FIFTH)
    pages = people.folder(FIFTH).with_name(f".{FIFTH}.partial") / "_people.pages"
    (pages / f"{len(list(pages.iterdir())):08d}.jsonl").write_bytes(b'{"half a line')
    assert people.land(FIFTH) == whole
    assert people.files(FIFTH) == expected
    assert len(vendor.requests) == requests + 1


def test_a_page_that_has_expired_meanwhile_begins_the_list_anew(vendor: Vendor, source: Callable[..., Asked]) -> None:
    vendor.records = [person(n) for n in range(9)]
    people = source("by_cursor", attempts=1)
    vendor.answers = ["ok", "500", "410"]
    with pytest.raises(UnreachableError):
        people.land(FIFTH)
    assert people.land(FIFTH).rows == 9
    assert landed(people) == list(range(9))


def test_pages_of_an_earlier_attempt_under_another_contract_are_not_used(
    vendor: Vendor, source: Callable[..., Asked]
) -> None:
    vendor.records = [person(n) for n in range(5)]
    vendor.answers = ["ok", "500"]
    people = source(attempts=1)
    with pytest.raises(UnreachableError):
        people.land(FIFTH)
    people.path.write_text(people.path.read_text().replace("version: 1.0.0", "version: 1.0.1"))
    vendor.requests.clear()
    people.land(FIFTH)
    assert "page=1" in vendor.requests[0]


def test_records_that_move_between_two_pages_come_once(vendor: Vendor, source: Callable[..., Asked]) -> None:
    vendor.records = [person(n) for n in range(6)]

    def somebody_is_added_in_front(request: int) -> None:
        if request == 2:
            vendor.records.insert(0, person(99))

    vendor.on_request = somebody_is_added_in_front
    people = source()
    people.land(FIFTH)
    assert landed(people) == list(range(6))


def test_requests_keep_the_contracts_distance(vendor: Vendor, source: Callable[..., Asked]) -> None:
    vendor.records = [person(n) for n in range(8)]
    people = source("by_link", requestsPerSecond=4)
    people.land(FIFTH)
    gaps = [later - earlier for earlier, later in zip(vendor.times, vendor.times[1:], strict=False)]
    assert len(gaps) == 2
    # A request that arrives late shortens the gap behind it: on a busy machine by a few hundredths of a second.
    assert min(gaps) >= 0.2


@pytest.mark.parametrize(
    "auth",
    [
        {"scheme": "header", "variable": "VENDOR_TOKEN"},
        {"scheme": "parameter", "variable": "VENDOR_TOKEN"},
        {"scheme": "bearer", "variable": "VENDOR_TOKEN"},
    ],
)
def test_every_kind_of_token_is_sent_and_left_nowhere(
    vendor: Vendor, source: Callable[..., Asked], auth: dict[str, str]
) -> None:
    vendor.records = [person(n) for n in range(5)]
    vendor.answers = ["ok", "500"]
    people = source("by_next_link", auth=auth, attempts=1)
    with pytest.raises(UnreachableError) as failed:
        people.land(FIFTH)
    assert vendor.token not in str(failed.value)
    left = [path for path in people.landing.rglob("*") if path.is_file()]
    assert left
    assert all(vendor.token.encode() not in path.read_bytes() for path in left)
    assert people.land(FIFTH).rows == 5


def test_a_refused_token_names_its_variable(vendor: Vendor, source: Callable[..., Asked]) -> None:
    people = source()
    people.environment["VENDOR_TOKEN"] = "wrong-and-private"
    with pytest.raises(AccessError, match=r"401.*environment variable VENDOR_TOKEN") as refused:
        people.land(FIFTH)
    assert "wrong-and-private" not in str(refused.value)
    assert len(vendor.requests) == 1
    people.environment.clear()
    with pytest.raises(AccessError, match=r"VENDOR_TOKEN.*is not set"):
        people.land(FIFTH)


def test_a_token_is_never_sent_to_another_server(vendor: Vendor, source: Callable[..., Asked]) -> None:
    vendor.records = [person(n) for n in range(5)]
    vendor.elsewhere = "http://127.0.0.1:1"
    for style in ("by_link", "by_next_link"):
        with pytest.raises(AnswerError, match=r"a link leads to http://127\.0\.0\.1, away from"):
            source(style).land(FIFTH)


@pytest.mark.parametrize(
    ("endpoint", "paging", "table_options", "message"),
    [
        ("deaf", {"style": "page"}, ITEMS, "page=2 gives the same records as the page before"),
        ("circle", {"style": "cursor", "nextPath": "meta.next"}, ITEMS, "the pages go round in a circle"),
        ("by_page", {"style": "page"}, {}, "the body is no list of records .the body is an object with data, total"),
        ("by_page", {"style": "page"}, {"recordsPath": "rows"}, "rows is no list of records"),
        ("nothing", {}, {}, r"404 Not Found \(no such thing\). Check physicalName"),
        ("moved", {}, {}, "redirects to http://127.0.0.1:1/v1/all"),
        ("page_of_text", {}, {}, "the answer is no JSON"),
    ],
)
def test_answers_that_are_not_what_the_contract_says_are_told_apart(
    vendor: Vendor,
    source: Callable[..., Asked],
    endpoint: str,
    paging: dict[str, Any],
    table_options: dict[str, Any],
    message: str,
) -> None:
    vendor.records = [person(n) for n in range(4)]
    people = source()
    auth = {"scheme": "bearer", "variable": "VENDOR_TOKEN"}
    people.write(
        {"type": "api", "location": vendor.url, "customProperties": {"paging": paging, "auth": auth}},
        [table(physical=endpoint, cursorColumn="updated_at", **table_options)],
    )
    with pytest.raises(AnswerError, match=message):
        people.land(FIFTH)
    assert not people.folder(FIFTH).exists()


def test_a_cursor_that_does_not_order_is_refused(vendor: Vendor, source: Callable[..., Asked]) -> None:
    vendor.records = [person(1, "05/01/2026")]
    with pytest.raises(AnswerError, match="the cursor updated_at is '05/01/2026', which is no timestamp in ISO 8601"):
        source().land(FIFTH)
    vendor.records = [person(1, "2026-01-05T10:00:00Z"), person(2, "2026-01-05T10:00:00")]
    with pytest.raises(AnswerError, match="updated_at has values that do not order among each other"):
        source().land(FIFTH)


def test_a_future_day_cannot_be_taken(source: Callable[..., Asked]) -> None:
    from orchestration.sources.extract import ExtractError

    with pytest.raises(ExtractError, match="2026-01-07 lies in the future"):
        source().land(SEVENTH, now=datetime(2026, 1, 5, tzinfo=UTC))


def test_files_that_others_put_there_are_left_alone(vendor: Vendor, source: Callable[..., Asked]) -> None:
    people = source()
    people.folder(FIFTH).mkdir(parents=True)
    (people.folder(FIFTH) / "people.jsonl").write_text('{"id": 5}\n')
    before = people.files(FIFTH)
    assert not people.land(FIFTH).extracted
    from orchestration.sources.extract import ExtractError

    with pytest.raises(ExtractError, match="were put by others and are not replaced"):
        people.land(FIFTH, again=True)
    assert people.files(FIFTH) == before
    assert vendor.requests == []

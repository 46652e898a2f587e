"""Exports of consent, tickets and events as tools write them, made up and seeded; none has the sample's shape.

Belongs here: writing such files, of the people `person<i>@example.com`. Does not belong here: what the scaffold makes of
them.
"""

import csv
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from tests.unit.scaffold.user_files import FAMILY, GIVEN

START = datetime(2025, 11, 3, 8, 0, tzinfo=UTC)


def _person(i: int) -> tuple[str, str, str]:
    given, family = GIVEN[i % len(GIVEN)], FAMILY[i // 2 % len(FAMILY)]
    return given, family, f"person{i}@example.com"


def _csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]], delimiter: str = ",") -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    return path


def _jsonl(path: Path, items: Iterable[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items), encoding="utf-8")
    return path


def subscriptions(folder: Path, people: int = 40) -> Path:
    """Like HubSpot's: one row per contact and subscription, words of its own, local times, a channel for each."""
    words = ["Opted in", "Opted out", "Not specified", "Opted in", "Asked for a call"]

    def rows() -> Iterable[Sequence[object]]:
        for i in range(people):
            given, family, email = _person(i)
            for j, topic in enumerate(["Marketing Information", "Customer Survey"]):
                when = START + timedelta(hours=5 * i + j)
                basis = "Freely given consent from contact" if i % 3 else "Legitimate interest – existing customer"
                yield (7000 + i, email, given, family, topic, "E-Mail" if i % 2 else "SMS", words[(i + j) % 5], basis,
                       f"{when:%d.%m.%Y %H:%M}")  # fmt: skip

    header = ["Contact ID", "Email", "First Name", "Last Name", "Subscription name", "Communication channel",
              "Subscription status", "Legal basis", "Updated at"]  # fmt: skip
    return _csv(folder / "subscription-export-2025-11.csv", header, rows(), ";")


def audience(folder: Path, people: int = 40) -> Path:
    """Like Mailchimp's: one row per address with its status, and the times of each step; no purpose, no channel."""

    def rows() -> Iterable[Sequence[object]]:
        for i in range(people):
            given, family, email = _person(i)
            when = START + timedelta(hours=i)
            left = f"{when + timedelta(days=9):%Y-%m-%d %H:%M:%S}" if i % 4 == 1 else ""
            status = ["subscribed", "unsubscribed", "cleaned", "pending"][i % 4]
            yield email, given, family, status, 3, f"{when:%Y-%m-%d %H:%M:%S}", left, f"10.0.0.{i}"

    header = [
        "Email Address",
        "First Name",
        "Last Name",
        "Status",
        "MEMBER_RATING",
        "OPTIN_TIME",
        "UNSUB_TIME",
        "OPTIN_IP",
    ]
    return _csv(folder / "audience.csv", header, rows())


def shop_customers(folder: Path, people: int = 40) -> Path:
    """Like Shopify's: a list of customers in which three columns are answers, one of them a refusal."""

    def rows() -> Iterable[Sequence[object]]:
        for i in range(people):
            given, family, email = _person(i)
            changed = START + timedelta(hours=i)
            yield (f"C{i:05d}", given, family, email, "yes" if i % 2 else "no", "TRUE" if i % 3 == 0 else "",
                   1 if i % 5 == 0 else 0, f"{changed:%Y-%m-%dT%H:%M:%S+01:00}")  # fmt: skip

    header = ["Customer ID", "First Name", "Last Name", "Email", "Accepts Email Marketing", "Newsletter",
              "Do not call marketing", "Updated At"]  # fmt: skip
    return _csv(folder / "customers_export.csv", header, rows())


def desk_tickets(folder: Path, tickets: int = 40) -> Path:
    """Like Zendesk's API: nested, a satisfaction in words, the requester inside, times in UTC."""

    def items() -> Iterable[dict[str, Any]]:
        for i in range(tickets):
            given, family, email = _person(i // 2)
            opened = START + timedelta(hours=7 * i)
            yield {
                "url": f"https://desk.example/api/v2/tickets/{9000 + i}.json",
                "id": 9000 + i,
                "created_at": f"{opened:%Y-%m-%dT%H:%M:%SZ}",
                "updated_at": f"{opened + timedelta(hours=2):%Y-%m-%dT%H:%M:%SZ}",
                "subject": f"Parcel {i} is late",
                "priority": "normal" if i % 3 else None,
                "status": ["new", "open", "hold", "solved", "closed"][i % 5],
                "via": {"channel": ["email", "native_messaging", "voice", "web"][i % 4]},
                "requester": {"id": 500 + i // 2, "name": f"{given} {family}", "email": email if i % 2 else None},
                "assignee": {"id": i % 3, "name": "Desk Agent", "email": "agent@company.example"},
                "satisfaction_rating": {"score": ["good", "bad", "offered", "unoffered"][i % 4]},
                "tags": ["parcel", f"t{i}"],
            }

    return _jsonl(folder / "tickets.jsonl", items())


def desk_list(folder: Path, tickets: int = 40) -> Path:
    """Like Freshdesk's list: flat, local times, who asked by name and address alone."""

    def rows() -> Iterable[Sequence[object]]:
        for i in range(tickets):
            given, family, email = _person(i // 2)
            opened = START + timedelta(hours=3 * i)
            yield (i + 1, f"Question {i}", ["Open", "Pending", "Resolved", "Closed"][i % 4], "Portal", "Agent Smith",
                   f"{opened:%m/%d/%Y %H:%M}", f"{given} {family}", email, 1 + i % 5)  # fmt: skip

    header = ["Ticket ID", "Subject", "Status", "Source", "Agent", "Created time", "Full name", "Email", "CSAT score"]
    return _csv(folder / "helpdesk.csv", header, rows())


def collector_events(folder: Path, people: int = 12) -> Path:
    """Like Segment's: calls of four kinds, nested, with traits; the first call of each person is anonymous."""

    def items() -> Iterable[dict[str, Any]]:
        for i in range(people):
            given, family, email = _person(i)
            start = START + timedelta(hours=26 * i)
            calls: list[dict[str, Any]] = [
                {"type": "page", "name": "Home", "properties": {"url": "https://shop.example/", "title": "Home"}},
                {"type": "identify", "traits": {"email": email, "firstName": given, "lastName": family}},
                {"type": "track", "event": "Product Added", "properties": {"name": f"Lamp {i}", "price": 20.0 + i}},
                {"type": "track", "event": "Order Completed",
                 "properties": {"revenue": 99.5 + i, "currency": "EUR", "order_id": f"R{i}"}},
            ]  # fmt: skip
            for j, call in enumerate(calls):
                known = {"userId": f"u{i}"} if j else {}
                yield {
                    "messageId": f"m-{i}-{j}",
                    "anonymousId": f"anon-{i:04d}",
                    **known,
                    "timestamp": f"{start + timedelta(minutes=j):%Y-%m-%dT%H:%M:%S.000Z}",
                    "context": {
                        "device": {"id": f"dev-{i}", "type": "ios" if i % 3 == 0 else "desktop"},
                        "ip": f"10.1.0.{i}",
                    },
                    **call,
                }
            if i == 0:
                yield {
                    "messageId": "m-0-3",
                    "anonymousId": "anon-0000",
                    "userId": "u0",
                    "timestamp": f"{start + timedelta(minutes=3):%Y-%m-%dT%H:%M:%S.000Z}",
                    "context": {"device": {"id": "dev-0", "type": "ios"}, "ip": "10.1.0.0"},
                    **calls[3],
                }

    return _jsonl(folder / "events.jsonl", items())


def analytics_export(folder: Path, events: int = 60) -> Path:
    """Like GA4's in BigQuery, as Parquet: microseconds since 1970, a pseudonymous visitor, no id of the event."""
    path = folder / "events_20251103.parquet"
    start = int(START.timestamp() * 1_000_000)
    with duckdb.connect() as con:
        con.execute(
            f"""
            copy (
                select
                    '20251103' as event_date,
                    {start} + i * 61000000 as event_timestamp,
                    ['page_view', 'view_item', 'purchase', 'scroll'][1 + i % 4] as event_name,
                    'v.' || (1000 + i % 9) as user_pseudo_id,
                    case when i % 9 < 4 then 'C' || lpad((i % 9)::varchar, 5, '0') end as user_id,
                    ['WEB', 'IOS'][1 + i % 2] as platform,
                    case when i % 4 = 2 then 10.5 + i end as purchase_revenue
                from range({events}) as r(i)
            ) to '{path}' (format parquet)
            """
        )
    return path


def product_events(folder: Path, events: int = 60) -> Path:
    """Like Mixpanel's: everything below `properties`, seconds since 1970, names with a dollar."""

    def items() -> Iterable[dict[str, Any]]:
        for i in range(events):
            _, _, email = _person(i % 7)
            yield {
                "event": ["$mp_web_page_view", "Signed Up", "Add to Cart"][i % 3],
                "properties": {
                    "time": int((START + timedelta(minutes=i)).timestamp()),
                    "distinct_id": f"d-{i % 7}",
                    "$insert_id": f"ins{i}",
                    "$email": email if i % 3 == 1 else None,
                    "$os": "Android" if i % 2 else "Windows",
                },
            }

    return _jsonl(folder / "mixpanel.jsonl", items())


def click_log(folder: Path, events: int = 40) -> Path:
    """A flat log as a backend writes it: who, what, when, in local time."""
    rows = [
        (f"{START + timedelta(minutes=i):%Y-%m-%d %H:%M:%S}", ["login", "viewed page", "add_to_cart"][i % 3], f"C{i % 8:05d}",
         "web", i)
        for i in range(events)
    ]  # fmt: skip
    return _csv(folder / "clicks.csv", ["event_time", "action", "customer_id", "platform", "load_ms"], rows)

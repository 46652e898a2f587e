"""Help desk: tickets with their requester nested inside. JSON Lines, daily delta; a ticket is sent at each change."""

import numpy as np
import pyarrow as pa

from orchestration.sample.book import Book
from orchestration.sample.channels.base import Context, Today, grow
from orchestration.sample.delivery import Kind, plan_rows
from orchestration.sample.rates import (
    BROKEN_LINE,
    DUPLICATE_KEY,
    INVALID_EMAIL,
    MISSING_KEY,
    TICKET_DAILY,
    TICKETS_EXTRA,
    UNPARSABLE_DATE,
)  # fmt: skip
from orchestration.sample.render import json_select
from orchestration.sample.state import DAY, NEVER, generator
from orchestration.sample.words import Ints

_DOCUMENT = """to_json(struct_pack(
    ticket_id := case when kind = 1 then null else key end,
    requester := struct_pack(id := requester_key, name := full_name,
        email := case when kind = 6 then spoil_email(email, number) else email_text end, phone := phone_text),
    created_at := case when kind = 5 then ['2025-02-30T10:00:00Z', 'n/a', '99.99.9999'][1 + number % 3]
        else iso(created) end,
    updated_at := iso(changed),
    channel := channel,
    status := ['open', 'pending', 'solved'][1 + status],
    subject := subject,
    body := 'Hello, ' || lower(left(body, 1)) || substr(body, 2) || coalesce(' Regards, ' || full_name, ''),
    tags := case when number % 4 = 0 then [tag, 'priority'] else [tag] end,
    satisfaction := case when status = 2 and rating > 0 then rating end
))"""
_SELECT = f"""
, keyed as (
    select
        *,
        'T' || lpad(number::varchar, 7, '0') as key,
        'R' || lpad(requester::varchar, 7, '0') as requester_key,
        case
            when given_name is null then family_name
            when family_name is null then given_name
            when eastern then family_name || given_name
            when name_way < 0.18 then family_name || ', ' || given_name
            else given_name || ' ' || family_name
        end as full_name,
        case when email_text is null then 'phone' when phone_text is null and channel_way < 0.8 then 'email'
            when channel_way < 0.5 then 'email' when channel_way < 0.7 then 'chat' else 'phone' end as channel
    from captured
)
{json_select(_DOCUMENT)}
"""
_RATES = {
    Kind.MISSING_KEY: MISSING_KEY,
    Kind.MALFORMED_JSON: BROKEN_LINE,
    Kind.UNPARSABLE_DATE: UNPARSABLE_DATE,
    Kind.INVALID_EMAIL: INVALID_EMAIL,
    Kind.DUPLICATE_KEY: DUPLICATE_KEY,
}
_TICKET_FIELDS = ("requester", "created", "pending", "solved", "subject", "rating")


class Support:
    """Requesters and their tickets. A person who writes from another address is another requester."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.book = Book("support", "R")
        self.tickets = {name: np.zeros(0, np.int64) for name in _TICKET_FIELDS}
        self.channel_way = np.zeros(0)

    def deliver(self, today: Today) -> None:
        """Write the day."""
        ctx, book = self.ctx, self.book
        older = len(book)
        new, _ = grow(ctx, book, today, years=2.0)
        self._open(today, older, new)
        t = self.tickets
        solved, pending = t["solved"] < today.end, t["pending"] < today.end
        status = np.where(solved, 2, np.where(pending, 1, 0))
        changed = np.where(solved, t["solved"], np.where(pending, t["pending"], t["created"]))
        rows = np.flatnonzero((changed >= today.start) | (today.number == 0))
        rows = rows[np.lexsort((rows, changed[rows]))]
        # Who writes today tells what is true today.
        book.synced[t["requester"][rows]] = np.maximum(book.synced[t["requester"][rows]], t["created"][rows])
        subjects = ctx.world.words.subjects

        def payload(take: Ints) -> dict[str, pa.Array]:
            ticket = rows[take]
            requester = t["requester"][ticket]
            lines = subjects.take(pa.array(t["subject"][ticket])).combine_chunks()
            return {
                **book.capture(ctx.world, requester),
                "number": pa.array(ticket + 1),
                "requester": pa.array(requester + 1),
                "created": pa.array(t["created"][ticket]),
                "changed": pa.array(changed[ticket]),
                "status": pa.array(status[ticket]),
                "rating": pa.array(t["rating"][ticket]),
                "subject": lines["subject"],
                "body": lines["body"],
                "tag": lines["tag"],
                "name_way": pa.array(book.draw("extra_2", requester)),
                "channel_way": pa.array(self.channel_way[ticket]),
            }

        plan = plan_rows(
            generator(ctx.seed, "support", "rows", today.number), len(rows), _RATES,
            {Kind.INVALID_EMAIL: book.shows_email(ctx.world, t["requester"][rows])},
        )  # fmt: skip
        book.sent[t["requester"][rows]] = True
        with ctx.delivery("support", today.number) as delivery:
            delivery.write(ctx.con, "tickets.jsonl", plan, payload, _SELECT)

    def _open(self, today: Today, older: int, new: Ints) -> None:
        rng = generator(self.ctx.seed, "support", "tickets", today.number)
        book = self.book
        if today.number == 0:
            extra = np.repeat(new, rng.poisson(TICKETS_EXTRA, len(new)))
            since = book.created[extra]
            later = since + (rng.random(len(extra)) * (today.end - 1 - since)).astype(np.int64)
        else:
            extra = np.flatnonzero(rng.random(older) < TICKET_DAILY)
            later = today.start + rng.integers(7 * 3600, 21 * 3600, len(extra))
        requester, created = np.concatenate([new, extra]), np.concatenate([book.created[new], later])
        order = np.lexsort((requester, created))
        requester, created = requester[order], created[order]
        n = len(requester)
        pending = np.where(rng.random(n) < 0.5, created + rng.integers(600, DAY, n), NEVER)
        begun = np.where(pending == NEVER, created, pending)
        solved = np.where(rng.random(n) < 0.95, begun + rng.integers(600, 3 * DAY, n), NEVER)
        rows = {
            "requester": requester,
            "created": created,
            "pending": pending,
            "solved": solved,
            "subject": rng.integers(0, self.ctx.world.words.subjects.num_rows, n),
            "rating": np.where(rng.random(n) < 0.4, rng.choice([1, 2, 3, 4, 5], n, p=[0.1, 0.08, 0.12, 0.3, 0.4]), 0),
        }
        self.tickets = {name: np.concatenate([self.tickets[name], rows[name]]) for name in _TICKET_FIELDS}
        self.channel_way = np.concatenate([self.channel_way, rng.random(n)])

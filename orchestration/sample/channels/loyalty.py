"""Loyalty: the whole list of members every day, from scanned paper forms. CSV, own names and date format."""

import numpy as np
import pyarrow as pa

from orchestration.sample.book import Book
from orchestration.sample.channels.base import Context, Today, grow
from orchestration.sample.delivery import Kind, plan_rows
from orchestration.sample.rates import (
    BROKEN_LINE,
    DUPLICATE_KEY,
    INVALID_EMAIL,
    LOYALTY_LEAVE,
    MISSING_AMOUNT,
    MISSING_KEY,
    UNPARSABLE_DATE,
)  # fmt: skip
from orchestration.sample.render import csv_select
from orchestration.sample.state import generator
from orchestration.sample.words import Ints

_COLUMNS = {
    "MemberNo": "key_or_null",
    "FirstName": "given_name",
    "Surname": "family_name",
    "DOB": "case when kind = 5 then ['32/13/1975', '00/00/0000', 'N/K'][1 + number % 3] "
    "else strftime(birth_date, '%d/%m/%Y') end",
    "Sex": "sex",
    "EmailAddress": "case when kind = 6 then spoil_email(email, number) else email_text end",
    "MobileNo": "phone_text",
    "Addr1": "street_line",
    "Addr2": "unit_text",
    "Town": "city_text",
    "Postcode": "postcode_text",
    "Country": "country_name",
    "Tier": "case when points >= 5000 then 'Gold' when points >= 1500 then 'Silver' else 'Blue' end",
    "PointsBalance": "case when kind = 10 then ['n/a', 'NaN', '1O5'][1 + number % 3] else points::varchar end",
    "JoinDate": "strftime(make_timestamp(created * 1000000), '%d/%m/%Y')",
}
_SELECT = f"""
, keyed as (
    select *, 'LY' || lpad(number::varchar, 7, '0') as key,
        case when kind = 1 then null else 'LY' || lpad(number::varchar, 7, '0') end as key_or_null
    from captured
)
{csv_select(_COLUMNS.values(), ",")}
"""
_RATES = {
    Kind.MISSING_KEY: MISSING_KEY,
    Kind.TOO_FEW_FIELDS: BROKEN_LINE,
    Kind.TOO_MANY_FIELDS: BROKEN_LINE,
    Kind.UNPARSABLE_DATE: UNPARSABLE_DATE,
    Kind.INVALID_EMAIL: INVALID_EMAIL,
    Kind.NOT_A_NUMBER: MISSING_AMOUNT,
    Kind.DUPLICATE_KEY: DUPLICATE_KEY,
}


class Loyalty:
    """Members who collect points, join and leave."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.book = Book("loyalty", "LY")
        self.points = np.zeros(0, np.int64)
        self.pace = np.zeros(0)
        self.active = np.zeros(0, np.bool_)

    def member_of(self, people: int) -> Ints:
        """Each person's member record, -1 for none (the first, where there are two)."""
        member = np.full(people, -1, np.int64)
        real = np.flatnonzero(~self.book.test)[::-1]
        member[self.book.person[real]] = real
        return member

    def deliver(self, today: Today) -> None:
        """Write the day's full list."""
        ctx, book = self.ctx, self.book
        rng = generator(ctx.seed, "loyalty", "points", today.number)
        older = len(book)
        new, _ = grow(ctx, book, today)
        collects = rng.random(older) < 0.06
        self.points = self.points + np.where(collects, (rng.gamma(1.5, 40, older) * self.pace).astype(np.int64), 0)
        self.active &= rng.random(older) >= LOYALTY_LEAVE
        pace = rng.gamma(0.8, 1.25, len(new))
        years = (today.end - book.created[new]) / (365.0 * 86_400)
        self.pace = np.concatenate([self.pace, pace])
        self.points = np.concatenate([self.points, (years * pace * 900).astype(np.int64)])
        self.active = np.concatenate([self.active, np.ones(len(new), np.bool_)])
        rows = np.flatnonzero(self.active)
        names = pa.array([c.name for c in ctx.world.words.countries], pa.string())
        people, homes = ctx.world.people, ctx.world.households

        def payload(take: Ints) -> dict[str, pa.Array]:
            record = rows[take]
            return {
                **book.capture(ctx.world, record),
                "number": pa.array(record + 1),
                "created": pa.array(book.created[record]),
                "points": pa.array(self.points[record]),
                "country_name": names.take(pa.array(homes.country[people.household[book.person[record]]])),
            }

        fit = {
            Kind.INVALID_EMAIL: book.shows_email(ctx.world, rows),
            Kind.UNPARSABLE_DATE: book.shows_birth(rows),
        }
        plan = plan_rows(generator(ctx.seed, "loyalty", "rows", today.number), len(rows), _RATES, fit)
        book.sent[rows[plan.take[plan.kind != Kind.MISSING_KEY]]] = True
        with ctx.delivery("loyalty", today.number) as delivery:
            delivery.write(ctx.con, "members.csv", plan, payload, _SELECT, header=",".join(_COLUMNS))

"""Web shop: accounts and orders. Parquet, daily delta; an order is sent again whenever its status changes."""

from dataclasses import dataclass, field, fields

import numpy as np
import pyarrow as pa

from orchestration.sample.book import Book
from orchestration.sample.channels.base import Context, Today, grow
from orchestration.sample.delivery import Kind, Plan, plan_rows
from orchestration.sample.rates import (
    DUPLICATE_KEY,
    INVALID_EMAIL,
    MISSING_AMOUNT,
    MISSING_KEY,
    NEGATIVE_AMOUNT,
    PURCHASE,
)  # fmt: skip
from orchestration.sample.state import DAY, NEVER, Bools, generator
from orchestration.sample.words import Floats, Ints

_CURRENCY = {
    "GB": "GBP", "US": "USD", "PL": "PLN", "SE": "SEK", "AE": "AED", "JP": "JPY", "UA": "UAH",
}  # fmt: skip
# Units of the currency per euro, rounded: amounts look like amounts of the country.
_PER_EURO = {"PLN": 4.3, "SEK": 11.0, "AED": 4.0, "JPY": 160.0, "UAH": 45.0}

_TEXT = pa.string()
_CUSTOMERS = pa.schema(
    [
        *((name, _TEXT) for name in ("customer_id", "given_name", "surname", "email", "phone", "street_address")),
        *((name, _TEXT) for name in ("apartment", "town", "county", "zip", "country_code")),
        ("birth_date", pa.date32()),
        ("registered_at", pa.timestamp("us")),
        ("updated_at", pa.timestamp("us")),
    ]
)
_CUSTOMERS_SELECT = """
select
    case when kind = 1 then null else 'S' || lpad(number::varchar, 7, '0') end as customer_id,
    'S' || lpad(number::varchar, 7, '0') as key,
    kind,
    flags,
    given_name,
    family_name as surname,
    case when kind = 6 then spoil_email(email, number) else email_text end as email,
    phone_text as phone,
    street_line as street_address,
    unit_text as apartment,
    city_text as town,
    region_text as county,
    postcode_text as zip,
    country_code,
    birth_date,
    make_timestamp(created * 1000000) as registered_at,
    make_timestamp(synced * 1000000) as updated_at
from captured
"""
_CUSTOMER_RATES = {
    Kind.MISSING_KEY: MISSING_KEY,
    Kind.INVALID_EMAIL: INVALID_EMAIL,
    Kind.DUPLICATE_KEY: DUPLICATE_KEY,
}
_ORDERS = pa.schema(
    [
        ("order_id", _TEXT),
        ("customer_id", _TEXT),
        ("ordered_at", pa.timestamp("us")),
        ("updated_at", pa.timestamp("us")),
        ("status", _TEXT),
        ("channel", _TEXT),
        ("currency", _TEXT),
        ("amount", pa.decimal128(12, 2)),
        ("items", pa.int32()),
    ]
)
_ORDERS_SELECT = """
select
    case when kind = 1 then null else 'O' || lpad(number::varchar, 8, '0') end as order_id,
    'O' || lpad(number::varchar, 8, '0') as key,
    kind,
    0 as flags,
    'S' || lpad(account::varchar, 7, '0') as customer_id,
    make_timestamp(ordered * 1000000) as ordered_at,
    make_timestamp(changed * 1000000) as updated_at,
    ['placed', 'shipped', 'returned', 'cancelled'][1 + status] as status,
    case when store then 'store' else 'web' end as channel,
    currency,
    case when kind = 8 then -cents / 100 when kind = 9 then null else cents / 100 end::decimal(12, 2) as amount,
    items::integer as items
from raw_src
"""
_ORDER_RATES = {
    Kind.MISSING_KEY: MISSING_KEY,
    Kind.NEGATIVE_AMOUNT: NEGATIVE_AMOUNT,
    Kind.MISSING_AMOUNT: MISSING_AMOUNT,
    Kind.DUPLICATE_KEY: DUPLICATE_KEY,
}


def _empty() -> Ints:
    return np.zeros(0, np.int64)


@dataclass
class Orders:
    """All orders so far, one row per order. Times in seconds; NEVER where a step does not come."""

    account: Ints = field(default_factory=_empty)
    ordered: Ints = field(default_factory=_empty)
    shipped: Ints = field(default_factory=_empty)
    ended: Ints = field(default_factory=_empty)
    end_status: Ints = field(default_factory=_empty)  # 2 returned, 3 cancelled
    store: Ints = field(default_factory=_empty)
    cents: Ints = field(default_factory=_empty)
    items: Ints = field(default_factory=_empty)

    def __len__(self) -> int:
        return len(self.account)


class Shop:
    """Accounts that buy by BG/NBD: at a rate of their own while alive, and each purchase may be the last."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.book = Book("shop", "S")
        self.orders = Orders()
        self.rate: Floats = np.zeros(0)
        self.drop: Floats = np.zeros(0)
        self.spend: Floats = np.zeros(0)
        self.alive: Bools = np.zeros(0, np.bool_)

    def accounts_of(self, people: int) -> Ints:
        """Each person's first account, -1 for none."""
        account = np.full(people, -1, np.int64)
        real = np.flatnonzero(~self.book.test)[::-1]
        account[self.book.person[real]] = real
        return account

    def currencies(self) -> pa.Array:
        """ISO 4217 code of each country, in the order of the word list."""
        return pa.array([_CURRENCY.get(c.code, "EUR") for c in self.ctx.world.words.countries], _TEXT)

    def deliver(self, today: Today) -> None:
        """Write the day."""
        new, saved = grow(self.ctx, self.book, today, years=2.0)
        self._buy(today, new)
        with self.ctx.delivery("shop", today.number) as delivery:
            rows = np.concatenate([saved, new])
            rows = rows[np.lexsort((rows, self.book.synced[rows]))]
            plan = self._plan_customers(today, rows)
            delivery.write(
                self.ctx.con, "customers.parquet", plan, lambda take: self._customers(rows[take]), _CUSTOMERS_SELECT,
                schema=_CUSTOMERS,
            )  # fmt: skip
            changed, status, at = self._changes(today)
            rng = generator(self.ctx.seed, "shop", "order rows", today.number)
            delivery.write(
                self.ctx.con, "orders.parquet", plan_rows(rng, len(changed), _ORDER_RATES),
                lambda take: self._order_columns(changed[take], status[take], at[take]), _ORDERS_SELECT,
                schema=_ORDERS, capture=False,
            )  # fmt: skip

    def _plan_customers(self, today: Today, rows: Ints) -> Plan:
        book = self.book
        rng = generator(self.ctx.seed, "shop", "rows", today.number)
        fit = {Kind.INVALID_EMAIL: book.shows_email(self.ctx.world, rows)}
        plan = plan_rows(rng, len(rows), _CUSTOMER_RATES, fit)
        book.sent[rows[plan.take[plan.kind != Kind.MISSING_KEY]]] = True
        return plan

    def _customers(self, record: Ints) -> dict[str, pa.Array]:
        book = self.book
        return {
            **book.capture(self.ctx.world, record),
            "number": pa.array(record + 1),
            "created": pa.array(book.created[record]),
            "synced": pa.array(book.synced[record]),
        }

    def _order_columns(self, row: Ints, status: Ints, at: Ints) -> dict[str, pa.Array]:
        orders, world = self.orders, self.ctx.world
        country = world.households.country[world.people.household[self.book.person[orders.account[row]]]]
        return {
            "number": pa.array(row + 1),
            "account": pa.array(orders.account[row] + 1),
            "ordered": pa.array(orders.ordered[row]),
            "changed": pa.array(at),
            "status": pa.array(status),
            "store": pa.array(orders.store[row] == 1),
            "currency": self.currencies().take(pa.array(country)),
            "cents": pa.array(orders.cents[row]),
            "items": pa.array(orders.items[row]),
        }

    # -- purchases ---------------------------------------------------------------------------------------------------

    def _buy(self, today: Today, new: Ints) -> None:
        p = PURCHASE
        rng = generator(self.ctx.seed, "shop", "purchases", today.number)
        older = len(self.rate)
        n = len(new)
        buys = (rng.random(n) >= p.never) & ~self.book.test[new]
        self.rate = np.concatenate([self.rate, rng.gamma(p.r, 1 / p.alpha, n)])
        self.drop = np.concatenate([self.drop, rng.beta(p.a, p.b, n)])
        # Gamma-gamma: the mean order of an account is p / nu with nu ~ gamma(q, 1/gamma).
        self.spend = np.concatenate([self.spend, p.gamma / rng.gamma(p.q, 1.0, n)])
        self.alive = np.concatenate([self.alive, buys])
        first = self.book.created[new] + (rng.random(n) ** 2 * DAY).astype(np.int64)
        first = np.minimum(first, today.end - 1)
        account, when = [new[buys]], [first[buys]]
        if today.number == 0:
            buyer, at = new[buys], first[buys].astype(np.float64)
            while len(buyer):
                gone = rng.random(len(buyer)) < self.drop[buyer]
                self.alive[buyer[gone]] = False
                buyer = buyer[~gone]
                at = at[~gone] + rng.exponential(1.0, len(buyer)) / self.rate[buyer] * DAY + 600
                here = at < today.end
                buyer, at = buyer[here], at[here]
                account.append(buyer)
                when.append(at.astype(np.int64))
        else:
            known = np.arange(older)
            count = np.where(self.alive[:older], rng.poisson(self.rate[:older]), 0)
            stays = (1 - self.drop[:older]) ** count
            self.alive[:older] &= rng.random(older) < stays
            again = np.repeat(known, count)
            account.append(again)
            when.append(today.start + rng.integers(6 * 3600, 23 * 3600, len(again)))
        self._place(rng, np.concatenate(account), np.concatenate(when))

    def _place(self, rng: np.random.Generator, account: Ints, when: Ints) -> None:
        p = PURCHASE
        order = np.lexsort((account, when))
        account, when = account[order], when[order]
        n = len(account)
        store = rng.random(n) < p.store
        cancelled = (rng.random(n) < p.cancelled) & ~store
        returned = (rng.random(n) < p.returned) & ~cancelled
        shipped = when + np.where(store, 0, rng.integers(8 * 3600, 3 * DAY, n))
        ended = np.where(cancelled, when + rng.integers(600, 8 * 3600, n), NEVER)
        ended = np.where(returned, shipped + rng.integers(3 * DAY, 25 * DAY, n), ended)
        world = self.ctx.world
        country = world.households.country[world.people.household[self.book.person[account]]]
        factor = np.array([_PER_EURO.get(_CURRENCY.get(c.code, "EUR"), 1.0) for c in world.words.countries])[country]
        cents = np.maximum(rng.gamma(p.p, 1.0, n) * self.spend[account] * 100 * factor, 199).astype(np.int64)
        rows = {
            "account": account,
            "ordered": when,
            "shipped": np.where(cancelled, NEVER, shipped),
            "ended": ended,
            "end_status": np.where(cancelled, 3, 2),
            "store": store.astype(np.int64),
            "cents": cents,
            "items": 1 + rng.poisson(cents / factor / 4500),
        }
        for item in fields(Orders):
            setattr(self.orders, item.name, np.concatenate([getattr(self.orders, item.name), rows[item.name]]))

    def _changes(self, today: Today) -> tuple[Ints, Ints, Ints]:
        """Orders with news today (day 0: all), their status at the end of the day, and when it came about."""
        o = self.orders
        placed = o.ordered < today.end
        shipped, ended = placed & (o.shipped < today.end), placed & (o.ended < today.end)
        status = np.where(ended, o.end_status, np.where(shipped, 1, 0))
        at = np.where(ended, o.ended, np.where(shipped, o.shipped, o.ordered))
        rows = np.flatnonzero(placed & ((at >= today.start) | (today.number == 0)))
        return rows, status[rows], at[rows]

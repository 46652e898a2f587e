"""Web and app: events in the Segment specification. JSON Lines, daily delta; the first day holds thirty days.

Most sessions are anonymous. A visitor who logs in is identified by the shop's account from then on in the session;
some without an account leave their e-mail for the newsletter. Devices may be shared in a household.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from orchestration.sample.book import Book
from orchestration.sample.channels.base import Context, Today, joiners
from orchestration.sample.channels.shop import Shop
from orchestration.sample.delivery import Kind, plan_rows
from orchestration.sample.rates import BROKEN_LINE, DUPLICATE_KEY, MISSING_KEY, UNPARSABLE_DATE, WEB
from orchestration.sample.render import CAPTURED, json_select
from orchestration.sample.state import DAY, generator
from orchestration.sample.words import Floats, Ints

PAGE, VIEWED, ADDED, COMPLETED, LOGIN, NEWSLETTER = range(6)

MESSAGE_ID = "'ajs-' || left(md5(number || '/' || seed), 24)"
"""SQL of an event's id from its number and the sample's seed."""

_PAGES = "['Home', 'Category', 'Search', 'Product', 'Cart', 'Account', 'Help'][1 + page]"
_PATHS = "['/', '/c/home', '/search', '/p/item', '/cart', '/account', '/help'][1 + page]"
_AGENTS = """[
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_2 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148',
    'Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/131.0 Mobile Safari/537.36',
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/131.0 Safari/537.36'
][1 + device_kind]"""
_REFERRERS = "['https://search.example/', null, 'https://news.kindred.example/', null, null][1 + number % 5]"
_CONTEXT = f"""struct_pack(
    device := struct_pack(id := 'dev-' || left(anonymous_id, 13), type := ['ios', 'android', 'desktop'][1 + device_kind]),
    page := struct_pack(url := 'https://shop.kindred.example' || path, path := path,
        referrer := case when first_event then {_REFERRERS} end),
    userAgent := {_AGENTS},
    locale := locale
)"""
_HEAD = """messageId := case when kind = 1 then null else key end,
    type := ['page', 'track', 'track', 'track', 'identify', 'identify'][1 + type],
    anonymousId := anonymous_id,
    userId := case when account > 0 then user_id end,
    "timestamp" := case when kind = 5 then ['0000-00-00T00:00:00Z', 'NaN', '2026-02-30T12:00:00Z'][1 + number % 3]
        else iso(moment) end"""
_DOCUMENT = f"""case
    when type = 0 then to_json(struct_pack({_HEAD}, name := page_name,
        properties := struct_pack(title := page_name, path := path), context := context))
    when type in (1, 2) then to_json(struct_pack({_HEAD}, event := ['Product Viewed', 'Product Added'][type],
        properties := struct_pack(product_id := sku, name := product, category := category, price := price),
        context := context))
    when type = 3 then to_json(struct_pack({_HEAD}, event := 'Order Completed',
        properties := struct_pack(order_id := 'O' || lpad(order_number::varchar, 8, '0'), revenue := revenue,
        currency := currency), context := context))
    else to_json(struct_pack({_HEAD}, traits := struct_pack(email := email, firstName := given, lastName := family,
        phone := phone), context := context))
end"""
_SELECT = f"""
with named as (
    select
        *,
        {MESSAGE_ID} as key,
        0 as flags,
        {_PAGES} as page_name,
        {_PATHS} as path,
        'S' || lpad(account::varchar, 7, '0') as user_id
    from raw_src
),
keyed as (
    select *, {_CONTEXT} as context from named
)
{json_select(_DOCUMENT)}
"""
_RATES = {
    Kind.MISSING_KEY: MISSING_KEY,
    Kind.MALFORMED_JSON: BROKEN_LINE,
    Kind.UNPARSABLE_DATE: UNPARSABLE_DATE,
    Kind.DUPLICATE_KEY: DUPLICATE_KEY,
}


@dataclass(frozen=True)
class _Sessions:
    """Visits: who, on which device, when, how many events; the account of a login, the place of the identify event."""

    person: Ints
    device: Ints
    start: Ints
    events: Ints
    account: Ints  # -1: stays anonymous
    identify: Ints  # position of the identify event; -1: none
    order: Ints  # -1: buys nothing


@dataclass(frozen=True)
class _Events:
    """Events in order of time; `session` points into the sessions."""

    session: Ints
    position: Ints
    type: Ints
    at: Ints


class Web:
    """Devices, and what is done on them. `book` has one record per device, in the name of its owner."""

    def __init__(self, ctx: Context, shop: Shop) -> None:
        self.ctx, self.shop = ctx, shop
        self.book = Book("web", "")
        self.anonymous_ids: pa.Array = pa.array([], pa.string())
        self.device_kind: Ints = np.zeros(0, np.int64)
        # Per person: first and second device and the household's, -1 where there is none; sessions per day.
        self.slots: Ints = np.zeros((0, 3), np.int64)
        self.rate: Floats = np.zeros(0)
        self.newsletter: Ints = np.zeros(0, np.int64)
        self.sent_accounts = np.zeros(0, np.bool_)
        self.count = 0
        # Whose event it is, one array per delivery: events are numbered through all of them.
        self.actors: list[Ints] = []

    def deliver(self, today: Today) -> None:
        """Write the day."""
        ctx = self.ctx
        self._equip(today)
        start = today.end - WEB.history_days * DAY if today.number == 0 else today.start
        rng = generator(ctx.seed, "web", "sessions", today.number)
        sessions = self._sessions(rng, start, today.end)
        events = self._events(rng, sessions, today.end)
        identifies = events.type >= LOGIN
        plan = plan_rows(
            generator(ctx.seed, "web", "rows", today.number), len(events.at), _RATES,
            {Kind.MALFORMED_JSON: ~identifies},
        )  # fmt: skip
        self.sent_accounts = np.concatenate(
            [self.sent_accounts, np.zeros(len(self.shop.book) - len(self.sent_accounts), np.bool_)]
        )
        self.sent_accounts[sessions.account[events.session[events.type == LOGIN]]] = True
        self.book.sent[sessions.device[events.session[events.type == NEWSLETTER]]] = True
        traits, trait_row = self._traits(sessions, events)
        first = self.count
        self.count += len(events.at)
        self.actors.append(sessions.person[events.session].astype(np.int32))
        draws = rng.random((2, len(events.at)), dtype=np.float32)
        with ctx.delivery("web", today.number) as delivery:
            delivery.write(
                ctx.con, "events.jsonl", plan,
                lambda take: self._columns(take, sessions, events, traits, trait_row, draws, first), _SELECT,
                capture=False,
            )  # fmt: skip

    def _equip(self, today: Today) -> None:
        """Give devices to the people who come to the web today."""
        ctx = self.ctx
        rng = generator(ctx.seed, "web", "devices", today.number)
        people = len(ctx.world.people)
        grown = people - len(self.slots)
        self.slots = np.concatenate([self.slots, np.full((grown, 3), -1, np.int64)])
        self.rate = np.concatenate([self.rate, np.zeros(grown)])
        self.newsletter = np.concatenate([self.newsletter, np.zeros(grown, np.int64)])
        new = np.sort(joiners(ctx, "web", today, rng))
        if not len(new):
            return
        two = rng.random(len(new)) < WEB.second_device
        owner = np.concatenate([new, new[two]])
        devices = len(self.book) + np.arange(len(owner))
        self.slots[new, 0] = devices[: len(new)]
        self.slots[new[two], 1] = devices[len(new) :]
        home = ctx.world.people.household[new]
        first = np.searchsorted(home, home)  # `new` is sorted, and so are households
        shares = (rng.random(len(new)) < WEB.shared_device)[first] & (np.arange(len(new)) != first)
        self.slots[new[shares], 2] = self.slots[new[first[shares]], 0]
        self.rate[new] = rng.gamma(WEB.session_shape, WEB.session_mean / WEB.session_shape, len(new))
        self.newsletter[new] = rng.random(len(new)) < WEB.newsletter
        when = np.full(len(owner), today.start, np.int64)
        self.book.add(rng, owner, when, when)
        kind = rng.choice([0, 1, 2], len(owner), p=[0.3, 0.3, 0.4])
        self.device_kind = np.concatenate([self.device_kind, kind])
        words = pa.table({f"w{i}": rng.integers(0, 2**32, len(owner)) for i in range(4)})
        ctx.con.register("device_words", words)
        made = ctx.con.execute(
            "select format('{:08x}-{:04x}-4{:03x}-{:04x}-{:04x}{:08x}', w0, w1 >> 16, (w1 & 65535) >> 4, "
            "32768 + (w2 & 16383), w2 >> 16, w3) as id from device_words"
        ).to_arrow_table()["id"]
        ctx.con.unregister("device_words")
        self.anonymous_ids = pa.concat_arrays([self.anonymous_ids, made.combine_chunks().cast(pa.string())])

    def _sessions(self, rng: np.random.Generator, start: int, end: int) -> _Sessions:
        people, book, orders = self.ctx.world.people, self.shop.book, self.shop.orders
        days = (end - start) // DAY
        visits = np.repeat(np.arange(len(self.rate)), rng.poisson(self.rate * days))
        n = len(visits)
        # More visits in the evening than in the morning.
        hour = np.clip(rng.normal(16.5, 4.0, n), 0.5, 23.2)
        when = start + rng.integers(0, days, n) * DAY + (hour * 3600).astype(np.int64)
        accounts = self.shop.accounts_of(len(people))
        account = accounts[visits]
        known = (account >= 0) & (np.where(account >= 0, book.created[account], 0) <= when)
        account = np.where(known & (rng.random(n) < WEB.login), account, -1)
        leaves = (self.newsletter[visits] == 1) & (accounts[visits] < 0) & (people.has_email[visits] == 1)
        leaves &= rng.random(n) < 0.4

        buying = np.flatnonzero((orders.ordered >= start) & (orders.ordered < end) & (orders.store == 0))
        buying = buying[self.slots[book.person[orders.account[buying]], 0] >= 0]
        m = len(buying)
        person = np.concatenate([visits, book.person[orders.account[buying]]])
        account = np.concatenate([account, orders.account[buying]])
        events = 2 + rng.geometric(1 / WEB.events, n + m)
        events[n:] += 2
        leaves = np.concatenate([leaves, np.zeros(m, np.bool_)])
        begin = np.concatenate([when, np.maximum(orders.ordered[buying] - 50 * (events[n:] - 1), start)])
        u = rng.random((3, n + m))
        slot = np.where((self.slots[person, 1] >= 0) & (u[0] < 0.4), 1, 0)
        slot = np.where((self.slots[person, 2] >= 0) & (u[1] < WEB.shared_use), 2, slot)
        slot = np.where(leaves, 0, slot)
        identify = np.where((account >= 0) | leaves, 1 + (u[2] * (events - 2)).astype(np.int64), -1)
        return _Sessions(
            person=person,
            device=self.slots[person, slot],
            start=begin,
            events=events,
            account=account,
            identify=identify,
            order=np.concatenate([np.full(n, -1), buying]),
        )

    def _events(self, rng: np.random.Generator, sessions: _Sessions, end: int) -> _Events:
        session = np.repeat(np.arange(len(sessions.events)), sessions.events)
        position = np.arange(len(session)) - np.repeat(np.cumsum(sessions.events) - sessions.events, sessions.events)
        u = rng.random(len(session))
        kind = np.where(u < 0.55, PAGE, np.where(u < 0.86, VIEWED, ADDED))
        kind[position == 0] = PAGE
        identifies = position == sessions.identify[session]
        kind[identifies] = np.where(sessions.account[session[identifies]] >= 0, LOGIN, NEWSLETTER)
        last = (position == sessions.events[session] - 1) & (sessions.order[session] >= 0)
        kind[last] = COMPLETED
        at = sessions.start[session] + 50 * position + rng.integers(0, 45, len(session))
        at = np.minimum(at, end - 1)
        order = np.lexsort((position, session, at))
        return _Events(session[order], position[order], kind[order], at[order])

    def _traits(self, sessions: _Sessions, events: _Events) -> tuple[pa.Table, Ints]:
        """What identify events tell: the rendered traits, and each event's row among them (-1: none)."""
        ctx = self.ctx
        row = np.full(len(events.at), -1, np.int64)
        parts, offset = [], 0
        for kind, book, of in ((LOGIN, self.shop.book, sessions.account), (NEWSLETTER, self.book, sessions.device)):
            hit = np.flatnonzero(events.type == kind)
            records, place = np.unique(of[events.session[hit]], return_inverse=True)
            row[hit] = offset + place
            offset += len(records)
            if kind == NEWSLETTER:
                self.book.synced[records] = sessions.start.max(initial=0)
            ctx.con.register("raw_src", pa.table({**book.capture(ctx.world, records), "row": pa.array(records)}))
            parts.append(
                ctx.con.execute(
                    f"with {CAPTURED} select given_name as given, family_name as family, email_text as email, "
                    "phone_text as phone from captured"
                ).to_arrow_table()
            )
            ctx.con.unregister("raw_src")
        return pa.concat_tables(parts).combine_chunks(), row

    def _columns(
        self, take: Ints, sessions: _Sessions, events: _Events, traits: pa.Table, trait_row: Ints,
        draws: np.ndarray, first: int,
    ) -> dict[str, pa.Array]:  # fmt: skip
        world, orders = self.ctx.world, self.shop.orders
        session, position = events.session[take], events.position[take]
        device, person = sessions.device[session], sessions.person[session]
        # From the login on every event of the session carries the account.
        signed = (sessions.account[session] >= 0) & (position >= sessions.identify[session])
        products = world.words.products.take(
            pa.array((draws[0][take] ** 2 * world.words.products.num_rows).astype(np.int64))
        ).combine_chunks()
        bought = sessions.order[session]
        known = traits.take(pa.array(trait_row[take], mask=trait_row[take] < 0)).combine_chunks()
        countries = world.words.countries
        country = world.households.country[world.people.household[person]]
        n = len(take)
        cents = np.where(bought >= 0, orders.cents[bought] if len(orders) else 0, 0)
        return {
            "number": pa.array(first + take),
            "seed": pa.repeat(pa.scalar(self.ctx.seed), n),
            "type": pa.array(events.type[take]),
            "moment": pa.array(events.at[take]),
            "anonymous_id": self.anonymous_ids.take(pa.array(device)),
            "device_kind": pa.array(self.device_kind[device]),
            "account": pa.array(np.where(signed, sessions.account[session] + 1, 0)),
            "page": pa.array((draws[1][take] * 7).astype(np.int64).clip(0, 6)),
            "first_event": pa.array(position == 0),
            "locale": pa.array([c.locale for c in countries]).take(pa.array(country)),
            "sku": products["sku"],
            "product": products["name"],
            "category": products["category"],
            "price": products["price"].cast(pa.float64()),
            "order_number": pa.array(bought + 1),
            "revenue": pa.array(cents / 100),
            "currency": self.shop.currencies().take(pa.array(country)),
            **{name: known[name] for name in ("given", "family", "email", "phone")},
        }

"""Social networks: profiles that followers linked with the company. JSON Lines, daily delta."""

import numpy as np
import pyarrow as pa

from orchestration.sample.book import Book
from orchestration.sample.channels.base import Context, Today, grow
from orchestration.sample.delivery import Kind, plan_rows
from orchestration.sample.rates import BROKEN_LINE, DUPLICATE_KEY, INVALID_EMAIL, MISSING_KEY, UNPARSABLE_DATE
from orchestration.sample.render import json_select
from orchestration.sample.state import generator
from orchestration.sample.words import Ints

_DOCUMENT = """to_json(struct_pack(
    profile_id := case when kind = 1 then null else key end,
    network := network,
    handle := handle,
    display_name := display_name,
    email := case when kind = 6 then spoil_email(email, number) else email_text end,
    location := struct_pack(city := city_text, country := country_code),
    followers := followers,
    bio := ['Coffee first.', 'Runner, reader, gardener', null, 'Dogs > people', null, 'Living by the sea ☀'][1 + number % 6],
    linked_at := iso(created),
    updated_at := case when kind = 5 then ['0000-00-00', 'just now', '2025-13-40T00:00:00Z'][1 + number % 3]
        else iso(synced) end
))"""
# Handles: of the mailbox, of the name, or of neither.
_SELECT = f"""
, keyed as (
    select
        *,
        'SP' || lpad(number::varchar, 7, '0') as key,
        case
            when has_email and handle_way < 0.5 then replace(split_part(email, '@', 1), '.', '_') || case
                when handle_way < 0.2 then '' else number::varchar end
            when handle_way < 0.85 then lower(regexp_replace(strip_accents(coalesce(given_name, '') || '_'
                || coalesce(family_name, '')), '[^a-zA-Z0-9_]', '', 'g')) || number
            else ['sunny', 'quiet', 'brave', 'lucky', 'salty'][1 + number % 5] || '_'
                || ['fox', 'kiwi', 'otter', 'comet'][1 + number % 4] || number
        end as handle,
        case
            when given_name is null then family_name
            when family_name is null then given_name
            when eastern then family_name || given_name
            when display_way > 0.92 and email_text is not null then given_name || ' ' || left(family_name, 1) || '.'
            else given_name || ' ' || family_name
        end || case when display_way < 0.04 then ' ✨' else '' end as display_name
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


class Social:
    """Profiles with a handle, a shown name, and sometimes an e-mail address."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.book = Book("social", "SP")

    def deliver(self, today: Today) -> None:
        """Write the day."""
        ctx, book = self.ctx, self.book
        new, saved = grow(ctx, book, today, years=2.0)
        rows = np.concatenate([saved, new])
        rows = rows[np.lexsort((rows, book.synced[rows]))]
        chinese = ctx.world.words.cultures.index("zh")
        networks = pa.array(["instagram", "facebook", "x", "wechat"])

        def payload(take: Ints) -> dict[str, pa.Array]:
            record = rows[take]
            person = book.person[record]
            u = book.draw("extra_2", record)
            network = np.searchsorted([0.45, 0.8], u, side="right")
            network = np.where((ctx.world.people.culture[person] == chinese) & (u < 0.7), 3, network)
            return {
                **book.capture(ctx.world, record),
                "number": pa.array(record + 1),
                "created": pa.array(book.created[record]),
                "synced": pa.array(book.synced[record]),
                "network": networks.take(pa.array(network)),
                "has_email": pa.array(ctx.world.people.has_email[person] == 1),
                "handle_way": pa.array(book.draw("extra_3", record)),
                "display_way": pa.array(book.draw("gender", record)),
                "followers": pa.array((10 ** (1 + 3 * book.draw("landline", record) ** 2)).astype(np.int64)),
            }

        plan = plan_rows(
            generator(ctx.seed, "social", "rows", today.number), len(rows), _RATES,
            {Kind.INVALID_EMAIL: book.shows_email(ctx.world, rows)},
        )  # fmt: skip
        book.sent[rows[plan.take[plan.kind != Kind.MISSING_KEY]]] = True
        with ctx.delivery("social", today.number) as delivery:
            delivery.write(ctx.con, "profiles.jsonl", plan, payload, _SELECT)

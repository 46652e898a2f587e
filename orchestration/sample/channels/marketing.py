"""Marketing: changes of consent with the subscriber's contact data. CSV with semicolons in Latin-1, daily delta."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from orchestration.sample.book import Book
from orchestration.sample.channels.base import Context, Today, grow
from orchestration.sample.delivery import Kind, plan_rows
from orchestration.sample.rates import (
    BROKEN_LINE,
    CONSENT_GRANT,
    CONSENT_REGRANTED,
    CONSENT_REGRANTED_DAILY,
    CONSENT_WITHDRAWN,
    CONSENT_WITHDRAWN_DAILY,
    DUPLICATE_KEY,
    INVALID_EMAIL,
    MISSING_KEY,
    UNPARSABLE_DATE,
)  # fmt: skip
from orchestration.sample.render import csv_select
from orchestration.sample.state import generator
from orchestration.sample.words import Ints

# Purpose and channel of each kind of consent, in the order of rates.CONSENT_GRANT.
_PURPOSE = "['marketing', 'marketing', 'profiling'][1 + consent]"
_CHANNEL = "['email', 'sms', 'email'][1 + consent]"
NEVER_ASKED, WITHDRAWN, GRANTED = -1, 0, 1

_COLUMNS = {
    "subscriber_id": "key_or_null",
    "email": "case when kind = 6 then spoil_email(email, number) else email_text end",
    "full_name": "case when family_name is null then given_name when given_name is null then family_name "
    "else given_name || ' ' || family_name end",
    "mobile": "phone_text",
    "country": "country_code",
    "purpose": _PURPOSE,
    "channel": _CHANNEL,
    "status": "case when granted then 'granted' else 'withdrawn' end",
    "changed_at": "case when kind = 5 then ['31.02.2025 25:61:00', 'gestern', '2025/14/01'][1 + number % 3] "
    "else strftime(make_timestamp(moment * 1000000), '%d.%m.%Y %H:%M:%S') end",
    "legal_basis": "case when granted and number % 23 = 0 and consent = 0 then 'legitimate_interest' "
    "else 'consent' end",
    "method": "case when not granted then case when consent = 1 or number % 5 > 0 then 'unsubscribe_link' "
    "else 'web_form' end when number % 10 < 6 then 'web_form' when number % 10 < 9 then 'store' else 'import' end",
}
_SELECT = f"""
, keyed as (
    select *, 'M' || lpad(number::varchar, 7, '0') as key,
        case when kind = 1 then null else 'M' || lpad(number::varchar, 7, '0') end as key_or_null
    from captured
)
{csv_select(_COLUMNS.values(), ";")}
"""
_RATES = {
    Kind.MISSING_KEY: MISSING_KEY,
    Kind.TOO_FEW_FIELDS: BROKEN_LINE,
    Kind.TOO_MANY_FIELDS: BROKEN_LINE,
    Kind.UNPARSABLE_DATE: UNPARSABLE_DATE,
    Kind.INVALID_EMAIL: INVALID_EMAIL,
    Kind.DUPLICATE_KEY: DUPLICATE_KEY,
}


@dataclass(frozen=True)
class _Changes:
    """Changes of consent: the record, which consent, the answer, and when."""

    record: Ints
    consent: Ints
    granted: Ints
    at: Ints


def _joined(parts: list[_Changes]) -> _Changes:
    columns = [np.concatenate([getattr(p, name) for p in parts]) for name in ("record", "consent", "granted", "at")]
    order = np.lexsort((columns[1], columns[0], columns[3]))
    return _Changes(*(column[order] for column in columns))


class Marketing:
    """Subscribers whose consents are given, taken back, and given again."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.book = Book("marketing", "M")
        self.state = np.zeros((0, len(CONSENT_GRANT)), np.int64)

    def deliver(self, today: Today) -> None:
        """Write the day."""
        ctx, book = self.ctx, self.book
        older = len(book)
        new, _ = grow(ctx, book, today, years=3.0)
        rng = generator(ctx.seed, "marketing", "consent", today.number)
        parts = [self._changed_minds(rng, today, older), self._subscribed(rng, today, new)]
        rows = _joined(parts)
        # Contact data of a row is that of its day.
        book.synced[rows.record] = np.maximum(book.synced[rows.record], rows.at)

        def payload(take: Ints) -> dict[str, pa.Array]:
            record = rows.record[take]
            return {
                **book.capture(ctx.world, record),
                "number": pa.array(record + 1),
                "consent": pa.array(rows.consent[take]),
                "granted": pa.array(rows.granted[take] == 1),
                "moment": pa.array(rows.at[take]),
            }

        plan = plan_rows(
            generator(ctx.seed, "marketing", "rows", today.number), len(rows.record), _RATES,
            {Kind.INVALID_EMAIL: book.shows_email(ctx.world, rows.record)},
        )  # fmt: skip
        book.sent[rows.record[plan.take[plan.kind != Kind.MISSING_KEY]]] = True
        with ctx.delivery("marketing", today.number) as delivery:
            delivery.write(
                ctx.con, "subscribers.csv", plan, payload, _SELECT, header=";".join(_COLUMNS), encoding="latin-1"
            )

    def _changed_minds(self, rng: np.random.Generator, today: Today, older: int) -> _Changes:
        u = rng.random((older, len(CONSENT_GRANT)))
        at = today.start + rng.integers(6 * 3600, 23 * 3600, u.shape)
        real = ~self.book.test[:older, None]
        leave = (self.state == GRANTED) & (u < CONSENT_WITHDRAWN_DAILY) & real
        back = (self.state == WITHDRAWN) & (u < CONSENT_REGRANTED_DAILY) & real
        self.state = np.where(leave, WITHDRAWN, np.where(back, GRANTED, self.state))
        record, consent = np.nonzero(leave | back)
        return _Changes(record, consent, back[record, consent].astype(np.int64), at[record, consent])

    def _subscribed(self, rng: np.random.Generator, today: Today, new: Ints) -> _Changes:
        n, kinds = len(new), len(CONSENT_GRANT)
        start = self.book.created[new][:, None] + np.arange(kinds)
        asked = rng.random((n, kinds)) < np.array(CONSENT_GRANT)
        left = asked & (rng.random((n, kinds)) < CONSENT_WITHDRAWN) & (today.number == 0)
        back = left & (rng.random((n, kinds)) < CONSENT_REGRANTED)
        left_at = start + 60 + (rng.random((n, kinds)) * np.maximum(today.end - 120 - start, 0)).astype(np.int64)
        back_at = left_at + 30 + (rng.random((n, kinds)) * np.maximum(today.end - 60 - left_at, 0)).astype(np.int64)
        # Somebody who subscribed in the last minutes of the day has no time left to change their mind.
        left &= left_at < today.end
        back &= left & (back_at < today.end)
        state = np.where(asked, GRANTED, NEVER_ASKED)
        state = np.where(back, GRANTED, np.where(left, WITHDRAWN, state))
        self.state = np.concatenate([self.state, state])
        parts = []
        for mask, answer, at in ((asked, GRANTED, start), (left, WITHDRAWN, left_at), (back, GRANTED, back_at)):
            row, consent = np.nonzero(mask)
            parts.append(_Changes(new[row], consent, np.full(len(row), answer), at[row, consent]))
        return _joined(parts)

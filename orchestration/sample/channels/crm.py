"""CRM: contacts typed by staff. CSV, daily delta."""

import numpy as np
import pyarrow as pa

from orchestration.sample.book import Book
from orchestration.sample.channels.base import Context, Today, grow
from orchestration.sample.channels.loyalty import Loyalty
from orchestration.sample.delivery import Kind, plan_rows
from orchestration.sample.rates import BROKEN_LINE, DUPLICATE_KEY, INVALID_EMAIL, MISSING_KEY, UNPARSABLE_DATE
from orchestration.sample.render import csv_select
from orchestration.sample.state import generator
from orchestration.sample.words import Ints

_COLUMNS = {
    "contact_id": "key_or_null",
    "first_name": "given_name",
    "middle_name": "middle_name",
    "last_name": "family_name",
    "birth_date": "case when kind = 5 then ['1984-13-45', 'unknown', '31.02.1979'][1 + number % 3] "
    "else strftime(birth_date, '%Y-%m-%d') end",
    "gender": "case number % 7 when 0 then lower(sex) when 1 then case sex when 'F' then 'Female' else 'Male' end "
    "when 2 then case sex when 'F' then 'female' when 'M' then 'male' end else sex end",
    "email": "case when kind = 6 then spoil_email(email, number) else email_text end",
    "phone": "phone_text",
    "street": "street_line",
    "unit": "unit_text",
    "city": "city_text",
    "state": "region_text",
    "postal_code": "postcode_text",
    "country": "country_code",
    "national_id": "case when flags & 8 = 0 and has_national_id then "
    "case when country_code = 'GB' then chr(65 + cast(substr(national, 1, 1) as integer)) "
    "|| chr(65 + cast(substr(national, 2, 1) as integer)) || substr(national, 3, 6) || "
    "chr(65 + cast(substr(national, 9, 1) as integer) % 4) else national end end",
    "loyalty_no": "case when loyalty > 0 then 'LY' || lpad(loyalty::varchar, 7, '0') end",
    "created_at": "iso(created)",
    "updated_at": "iso(synced)",
}
_SELECT = f"""
, keyed as (
    select *, 'C' || lpad(number::varchar, 7, '0') as key,
        case when kind = 1 then null else 'C' || lpad(number::varchar, 7, '0') end as key_or_null,
        national_number::varchar as national
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
    Kind.DUPLICATE_KEY: DUPLICATE_KEY,
}


class Crm:
    """Contacts, some of whom showed their loyalty card."""

    def __init__(self, ctx: Context, loyalty: Loyalty) -> None:
        self.ctx, self.loyalty = ctx, loyalty
        self.book = Book("crm", "C")

    def deliver(self, today: Today) -> None:
        """Write the day."""
        ctx, book, people = self.ctx, self.book, self.ctx.world.people
        new, saved = grow(ctx, book, today)
        rows = np.concatenate([saved, new])
        rows = rows[np.lexsort((rows, book.synced[rows]))]
        member = self.loyalty.member_of(len(people))

        def payload(take: Ints) -> dict[str, pa.Array]:
            record = rows[take]
            person = book.person[record]
            shown = (book.draw("extra_2", record) < 0.3) & ~book.test[record]
            return {
                **book.capture(ctx.world, record),
                "number": pa.array(record + 1),
                "created": pa.array(book.created[record]),
                "synced": pa.array(book.synced[record]),
                "loyalty": pa.array(np.where(shown, member[person] + 1, 0)),
                "national_number": pa.array(people.national_id[person]),
                "has_national_id": pa.array(book.draw("extra_3", record) < 0.15),
            }

        rng = generator(ctx.seed, "crm", "rows", today.number)
        fit = {
            Kind.INVALID_EMAIL: book.shows_email(ctx.world, rows),
            Kind.UNPARSABLE_DATE: book.shows_birth(rows),
        }
        plan = plan_rows(rng, len(rows), _RATES, fit)
        book.sent[rows[plan.take[plan.kind != Kind.MISSING_KEY]]] = True
        with ctx.delivery("crm", today.number) as delivery:
            delivery.write(ctx.con, "contacts.csv", plan, payload, _SELECT, header=",".join(_COLUMNS))

"""DuckDB's part of the sample: whole columns of text from numbers and words.

Belongs here: the macros for mistyping and formatting, the query that turns a captured row into what a source wrote
down, and e-mail addresses. Does not belong here: which row gets which error (see `book`) and file formats of a source.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pyarrow as pa

from orchestration.sample.words import ASCII, Ints

if TYPE_CHECKING:
    from orchestration.sample.world import World

# Kinds of mistyping, see the macro `garble`.
CLEAN, SWAP, DROP, KEYBOARD, SCAN, DOUBLE = range(6)
# Ways in which a birth date is wrong.
BIRTH_RIGHT, BIRTH_MISSING, BIRTH_SWAPPED, BIRTH_YEAR, BIRTH_PLACEHOLDER = range(5)

PLACEHOLDER_EMAIL = "noemail@example.com"
PLACEHOLDER_PHONE = "0000000000"
PLACEHOLDER_BIRTH = "1900-01-01"
PLACEHOLDER_GIVEN, PLACEHOLDER_FAMILY = "Test", "Customer"
FLAG_EMAIL, FLAG_PHONE, FLAG_BIRTH, FLAG_NAME = 1, 2, 4, 8

_MACROS = """
create macro spot(s, pos) as 1 + cast(floor(pos * (length(s) - 2)) as bigint);
-- Swapped letters, a lost one, the key beside, a scanner's misreading, a doubled letter.
create macro garble(s, kind, pos) as case
    when kind = 0 or length(s) < 3 then s
    when kind = 1 then left(s, spot(s, pos)) || substr(s, spot(s, pos) + 2, 1) || substr(s, spot(s, pos) + 1, 1)
        || substr(s, spot(s, pos) + 3)
    when kind = 3 then left(s, spot(s, pos)) || translate(
        substr(s, spot(s, pos) + 1, 1), 'qwertyuiopasdfghjklzxcvbnm', 'wertyuioposdfghjklkxcvbnmn'
    ) || substr(s, spot(s, pos) + 2)
    when kind = 4 and contains(s, 'm') then regexp_replace(s, 'm', 'rn')
    when kind = 4 and contains(s, 'rn') then regexp_replace(s, 'rn', 'm')
    when kind = 4 and contains(s, 'l') then regexp_replace(s, 'l', '1')
    when kind = 4 and contains(s, 'o') then regexp_replace(s, 'o', '0')
    when kind = 5 then left(s, spot(s, pos) + 1) || substr(s, spot(s, pos) + 1)
    else left(s, spot(s, pos)) || substr(s, spot(s, pos) + 2)
end;
create macro misdial(s, kind, pos) as case
    when kind = 0 or length(s) < 4 then s
    when kind = 1 then garble(s, 1, pos)
    else left(s, spot(s, pos)) || translate(substr(s, spot(s, pos) + 1, 1), '0123456789', '1234567890')
        || substr(s, spot(s, pos) + 2)
end;
create macro phone_text(digits, calling, trunk, way) as case way
    when 0 then '+' || calling || digits
    when 1 then trunk || digits
    when 2 then trunk || left(digits, 4) || ' ' || substr(digits, 5, 3) || ' ' || substr(digits, 8)
    when 3 then '+' || calling || ' ' || left(digits, 3) || ' ' || substr(digits, 4)
    when 4 then '00' || calling || digits
    else '(' || trunk || left(digits, 3) || ') ' || substr(digits, 4, 3) || '-' || substr(digits, 7)
end;
-- 'ß' and 'ÿ' have capitals that Latin-1 does not know; people write SS and Y.
create macro cased(s, way) as case way when 1 then upper(replace(replace(s, 'ß', 'ss'), 'ÿ', 'y')) when 2 then lower(s) when 3 then s || ' ' else s end;
create macro surname(a, b, sep, way) as case
    when b is null or way = 1 then a
    when way = 2 then a || ' ' || b
    else a || sep || b
end;
create macro birth_text(d, way) as case
    when way = 0 then d
    when way = 1 then null
    when way = 4 then date '1900-01-01'
    when way = 2 and day(d) <= 12 then make_date(year(d), day(d), month(d))
    else make_date(year(d) - 10, month(d), least(day(d), 28))
end;
create macro csv_text(s) as case
    when s is null then '' when contains(s, '"') or contains(s, ',') or contains(s, ';')
    then '"' || replace(s, '"', '""') || '"' else s
end;
create macro iso(t) as strftime(make_timestamp(t * 1000000), '%Y-%m-%dT%H:%M:%SZ');
create macro spoil_email(s, n) as case n % 4
    when 0 then replace(s, '@', ' at ') when 1 then replace(s, '@', '@@') when 2 then split_part(s, '@', 1)
    else s || ' ' || s
end;
"""

# What a source wrote down of a person: one row of `src` (see `book.Book.capture`) to canonical attributes.
# In steps, because a macro repeats its arguments: each is given plain columns, or the query would grow beyond measure.
CAPTURED = """
composed as (
    select
        raw_src.*,
        flags & 8 > 0 as is_test,
        surname(family, family_b, separator, family_way) as family_full,
        split_part(email, '@', 1) as mailbox,
        substr(phone::varchar, 2) as phone_digits,
        case when street_way = 2 and street_type_short <> '' then replace(street, '*', street_type_short)
            when street_way = 2 then regexp_replace(replace(replace(replace(replace(
                street, 'straße', 'str.'), 'Straße', 'Str.'), 'avenue', 'av.'), 'Calle', 'C/'), '^ul\\. ', '')
            else replace(street, '*', street_type) end as street_text
    from raw_src
),
addressed as (
    select
        *,
        case when number_first then house_number || ' ' || street_text else street_text || ' ' || house_number end
            as street_full
    from composed
),
mistyped as (
    select
        *,
        garble(given, given_error, given_pos) as given_typed,
        garble(family_full, family_error, family_pos) as family_typed,
        garble(mailbox, email_error, email_pos) as mailbox_typed,
        misdial(phone_digits, phone_error, phone_pos) as phone_dialled,
        garble(street_full, street_error, street_pos) as street_typed
    from addressed
),
captured as (
    select
        *,
        case when is_test then 'Test' when given_way = 2 then null when given_way = 1 then left(given, 1)
            else cased(given_typed, letter_case) end as given_name,
        case when is_test or middle_way = 2 then null when middle_way = 1 then left(middle, 1)
            else cased(middle, letter_case) end as middle_name,
        case when is_test then 'Customer' else cased(family_typed, letter_case) end as family_name,
        birth_text(birth, birth_way) as birth_date,
        case when is_test or gender_way = 0 then null else gender end as sex,
        case when flags & 1 > 0 then 'noemail@example.com' when email_way = 0 or email = '' then null
            when email_way = 2 then upper(left(email, 1)) || substr(email, 2)
            when email_way = 3 then replace(email, '@', '+' || email_tag || '@')
            else mailbox_typed || '@' || split_part(email, '@', 2) end as email_text,
        case when flags & 2 > 0 then '0000000000' when phone = 0 then null
            else phone_text(phone_dialled, calling, trunk, phone_way) end as phone_text,
        case when street_way = 0 or is_test then null else street_typed end as street_line,
        case when unit = 0 or street_way = 0 or is_test then null when unit_way = 0 then unit_word || ' ' || unit
            when unit_way = 1 then '#' || unit else unit::varchar end as unit_text,
        case when city_way = 0 or is_test then null when city_way = 2 then strip_accents(city) else city
            end as city_text,
        case when city_way = 0 or is_test then null else region end as region_text,
        case when postcode_way = 0 or is_test or postcode = '' then null
            when postcode_way = 2 then replace(postcode, ' ', '') when postcode_way = 3 then lower(postcode)
            when postcode_way = 4 then garble(postcode, 1, street_pos) else postcode end as postcode_text
    from mistyped
)
"""


def connect() -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB with the macros; rows keep their order, so that files are the same on every run."""
    con = duckdb.connect(":memory:", config={"preserve_insertion_order": True})
    con.execute(_MACROS)
    return con


def csv_select(columns: Iterable[str], delimiter: str) -> str:
    """SQL from `keyed` to CSV lines with their line ends, broken where the row's `kind` says so.

    Kind 2 loses the last three fields, kind 3 gets a field too many behind the first.
    """
    expressions = list(columns)
    names = [f"c{i}" for i in range(len(expressions))]
    values = ", ".join(f"{text} as {name}" for name, text in zip(names, expressions, strict=True))
    quoted = ", ".join(f"csv_text({name}) as {name}" for name in names)
    return f"""
    , fields as (select key, kind, flags, {values} from keyed),
    quoted as (select key, kind, flags, {quoted} from fields)
    select
        case kind
            when 2 then concat_ws('{delimiter}', {", ".join(names[:-3])})
            when 3 then concat_ws('{delimiter}', {names[0]}, '', {", ".join(names[1:])})
            else concat_ws('{delimiter}', {", ".join(names)})
        end || chr(10) as line,
        key, kind, flags
    from quoted
    """


def json_select(document: str) -> str:
    """SQL from `keyed` to JSON lines with their line ends; kind 4 is cut off before its end."""
    return f"""
    , documents as (select key, kind, flags, ({document})::varchar as document from keyed)
    select
        case when kind = 4 then left(document, length(document) - 12) else document end || chr(10) as line,
        key, kind, flags
    from documents
    """


def render_emails(world: "World", start: int, domains: Ints, style: Ints, number: Ints) -> pa.Array:
    """E-mail addresses of the people from `start` on: three each (old name, new name, second), none given twice.

    `domains`, `style` and `number` have shape (3, people). Returns an array of 3 * people strings, person by person.
    """
    p, words = world.people, world.words
    n = len(p) - start
    given = words.given.texts.take(pa.array(ASCII * words.given.size + p.given[start:]))
    third = np.repeat(np.arange(n), 3)

    def family(old: Ints, new: Ints) -> pa.Array:
        rows = np.stack([old[start:], new[start:], old[start:]], 1).ravel()
        return words.family.texts.take(pa.array(ASCII * words.family.size + rows, mask=rows < 0))

    table = pa.table(
        {
            "ord": np.arange(3 * n),
            "given": given.take(pa.array(third)),
            "family": family(p.family, p.family_2),
            "family_b": family(p.family_b, p.family_b_2),
            "year": (1970 + p.birth[start:] / 365.25).astype(np.int64)[third],
            "style": style.T.ravel(),
            "number": number.T.ravel(),
            "domain": words.domain.take(pa.array(domains.T.ravel())),
            "person": (start + np.arange(n))[third],
        }
    )
    con = connect()
    con.register("src", table)
    result = con.execute(
        """
        with names as (
            select
                src.*,
                coalesce(nullif(regexp_replace(lower(given), '[^a-z0-9]', '', 'g'), ''), 'user') as g,
                regexp_replace(lower(coalesce(family, '') || coalesce(family_b, '')), '[^a-z0-9]', '', 'g') as f
            from src
        ),
        locals as (
            select
                *,
                case
                    when f = '' then g || number
                    when style = 0 then g || '.' || f
                    when style = 1 then g || f
                    when style = 2 then left(g, 1) || '.' || f
                    when style = 3 then g || '.' || f || right(year::varchar, 2)
                    when style = 4 then g || '_' || f
                    when style = 5 then f || '.' || g
                    when style = 6 then g || year
                    else left(g, 1) || f || number
                end as local
            from names
        ),
        counted as (
            select *, row_number() over (partition by local, domain order by ord) as nth from locals
        )
        select case when nth > 1 or $later then local || '.' || person || (ord % 3) else local end || '@' || domain
            as email
        from counted order by ord
        """,
        {"later": start > 0},
    ).to_arrow_table()
    con.close()
    return result["email"].combine_chunks().cast(pa.string())

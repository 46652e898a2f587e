"""The truth behind the sample: who each record is, for measuring. Lies outside landing; the pipeline never reads it.

Belongs here: the five truth tables and their writing. Does not belong here: anything that the files themselves tell.
"""

from collections.abc import Sequence
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from orchestration.sample.book import Book
from orchestration.sample.channels.web import MESSAGE_ID, Web
from orchestration.sample.delivery import Log
from orchestration.sample.rates import Noise
from orchestration.sample.render import CAPTURED
from orchestration.sample.words import NATIVE, Ints
from orchestration.sample.world import World


def write_truth(
    con: duckdb.DuckDBPyConnection, world: World, books: Sequence[Book], web: Web, log: Log, folder: Path
) -> None:
    """Write records, devices, visits, people and defects as Parquet, replacing what is there.

    Staff's test records belong to nobody: each is its own person and household (`TEST-<record_id>`).
    """
    folder.mkdir(parents=True, exist_ok=True)
    tables = {
        "records": _records(con, world, books, web),
        "devices": _devices(con, web),
        "visits": _visits(con, web),
        "people": _people(con, world),
        "defects": log.defect_table(),
    }
    for name, table in tables.items():
        partial = folder / f".{name}.partial"
        pq.write_table(table, partial, compression="zstd")
        partial.replace(folder / f"{name}.parquet")


def _query(con: duckdb.DuckDBPyConnection, table: pa.Table, sql: str) -> pa.Table:
    con.register("truth_src", table)
    out = con.execute(sql).to_arrow_table()
    con.unregister("truth_src")
    return out.combine_chunks()


def _records(con: duckdb.DuckDBPyConnection, world: World, books: Sequence[Book], web: Web) -> pa.Table:
    parts = [_of_book(con, world, book, np.flatnonzero(book.sent), f"{book.source}:{book.prefix}") for book in books]
    shop = web.shop.book
    parts.append(_of_book(con, world, shop, np.flatnonzero(web.sent_accounts), f"web:u-{shop.prefix}"))
    devices = np.flatnonzero(web.book.sent)
    parts.append(
        _query(
            con,
            pa.table(
                {
                    "id": web.anonymous_ids.take(pa.array(devices)),
                    "person": web.book.person[devices],
                    "household": world.people.household[web.book.person[devices]],
                }
            ),
            """
            select 'web:a-' || id as record_id, 'P' || lpad((person + 1)::varchar, 7, '0') as person_id,
                'H' || lpad((household + 1)::varchar, 7, '0') as household_id
            from truth_src
            """,
        )
    )
    return pa.concat_tables(parts).combine_chunks()


def _of_book(con: duckdb.DuckDBPyConnection, world: World, book: Book, records: Ints, prefix: str) -> pa.Table:
    person = book.person[records]
    return _query(
        con,
        pa.table(
            {
                "number": records + 1,
                "person": person,
                "household": world.people.household[person],
                "test": book.test[records],
            }
        ),
        f"""
        with named as (
            select *, '{prefix}' || lpad(number::varchar, 7, '0') as record_id from truth_src
        )
        select
            record_id,
            case when test then 'TEST-' || record_id else 'P' || lpad((person + 1)::varchar, 7, '0') end as person_id,
            case when test then 'TEST-' || record_id else 'H' || lpad((household + 1)::varchar, 7, '0') end
                as household_id
        from named
        """,
    )


def _devices(con: duckdb.DuckDBPyConnection, web: Web) -> pa.Table:
    """One row per device and person who uses it."""
    people = np.arange(len(web.slots))
    pairs = [np.stack([web.slots[:, i], people], 1) for i in range(3)]
    rows = np.concatenate(pairs)
    rows = rows[rows[:, 0] >= 0]
    rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    return _query(
        con,
        pa.table({"anonymous_id": web.anonymous_ids.take(pa.array(rows[:, 0])), "person": rows[:, 1]}),
        "select anonymous_id, 'P' || lpad((person + 1)::varchar, 7, '0') as person_id from truth_src",
    )


def _visits(con: duckdb.DuckDBPyConnection, web: Web) -> pa.Table:
    """One row per web event: who sat at the device, whether they signed in or not."""
    person = np.concatenate([*web.actors, np.zeros(0, np.int32)])
    return _query(
        con,
        pa.table({"number": np.arange(len(person)), "person": person, "seed": pa.repeat(web.ctx.seed, len(person))}),
        f"""
        select {MESSAGE_ID} as message_id, 'P' || lpad((person + 1)::varchar, 7, '0') as person_id
        from truth_src order by number
        """,
    )


def _people(con: duckdb.DuckDBPyConnection, world: World) -> pa.Table:
    """Everybody's true attributes at the end of the sample, without error: a book without noise, read out."""
    book = _PlainBook.of_everybody(world)
    p, h, words = world.people, world.households, world.words
    person = np.arange(len(p))
    table = pa.table(
        {
            **book.capture(world, person),
            "person": person,
            "household": p.household,
            "true_middle": words.given.texts.take(pa.array(NATIVE * words.given.size + p.middle, mask=p.middle < 0)),
            "mobile": np.where(p.mobile_at < world.day_start(10**6), p.mobile_2, p.mobile),
            "landline": np.where(h.moved_at < world.day_start(10**6), h.landline_2, h.landline)[p.household],
            "culture": pa.array(list(words.cultures)).take(pa.array(p.culture)),
        }
    )
    con.register("raw_src", table)
    out = con.execute(
        f"""
        with {CAPTURED}
        select
            'P' || lpad((person + 1)::varchar, 7, '0') as person_id,
            'H' || lpad((household + 1)::varchar, 7, '0') as household_id,
            given_name, true_middle as middle_name, family_name, birth_date, sex as gender, email_text as email,
            case when mobile > 0 then '+' || calling || substr(mobile::varchar, 2) end as mobile,
            case when landline > 0 then '+' || calling || substr(landline::varchar, 2) end as landline,
            street_line as street, unit_text as unit, city_text as city, region_text as region,
            postcode_text as postcode, country_code as country, culture
        from captured
        """
    ).to_arrow_table()
    con.unregister("raw_src")
    return out.combine_chunks()


class _PlainBook(Book):
    """A book that makes no mistake: every draw is so high that no error happens."""

    @property
    def noise(self) -> Noise:
        """Names as at home, accents kept."""
        return Noise(native=1.0, ascii=0.0)

    @classmethod
    def of_everybody(cls, world: World) -> "_PlainBook":
        book = cls("truth", "")
        n = len(world.people)
        now = np.full(n, np.iinfo(np.int64).max - 1)
        book.add(np.random.default_rng(0), np.arange(n), now, now)
        book.draws[:] = 0.999
        for name in ("email_way", "unit", "postcode_error"):
            book.draws[:, book.column(name)] = 0.5
        book.flags[:] = 0
        return book

"""What cleansing would make of the proposed columns: placeholders, and values that are not valid.

Belongs here: running the pipeline's own standardisation over the profiled values. Does not belong here: its rules.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import duckdb

from orchestration.scaffold.files import FILE_TABLE
from orchestration.scaffold.semantics import Proposal, by_semantic

# 2026-01: the gate behind cleansing stops a day that loses a third of the values of an attribute. A file that does so by
# itself is seen here, before it stops a run.
LARGE_LOSS = 0.2
_CHECKED = (
    "given_name", "middle_name", "family_name", "gender", "email", "phone", "street", "unit", "city", "region", "postcode",
    "country", "national_id",
)  # fmt: skip
# Rows that are standardised for the purpose.
_ROWS = 20_000
# Most placeholders that a staging model lists by value.
_MOST_LISTED = 20
# Where numbers without a country code may be from, tried when the default does not read them.
_REGIONS = (
    "US", "GB", "DE", "FR", "ES", "IT", "NL", "AU", "AT", "CH", "BE", "PL", "PT", "SE", "DK", "NO", "IE", "IN", "BR", "MX",
    "JP", "ZA", "NZ", "FI", "CZ",
)  # fmt: skip


@dataclass(frozen=True)
class Losses:
    """What would be lost of each attribute, and what the staging model does about it."""

    placeholders: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Attribute to the values that stand for nothing and are null from staging on."""
    country: str | None = None
    """The country by which phones without a country code read; None where the file tells the country."""
    flags: tuple[str, ...] = ()


def find_losses(con: duckdb.DuckDBPyConnection, proposals: Sequence[Proposal]) -> Losses:
    """Standardise the proposed attributes of the profiled file, and look at what is dropped."""
    known = {name: p for name, p in by_semantic(proposals).items() if name in _CHECKED and p.column.type != "object"}
    if not known:
        return Losses()
    shares = _shares(con, known)
    placeholders: dict[str, tuple[str, ...]] = {}
    flags = []
    country = None
    if "phone" in known and "country" not in known:
        country, reading = _country_of_phones(known["phone"])
        if country is not None:
            flags.append(
                f"`{known['phone'].column.physical_name}`: its numbers have no country code and no column tells the country. "
                f"{100 * reading:.0f} % of them are valid numbers of {country}, which the staging model now gives as the "
                "country of every record: change or remove it there if that is wrong"
            )
    for name, lost in shares.items():
        column = known[name].column
        if lost < LARGE_LOSS:
            continue
        empty, count = _placeholders(con, name, column.column)
        share = count / column.filled
        said = f"`{column.physical_name}`: cleansing drops {100 * lost:.0f} % of its values"
        if empty and share >= 0.5 * lost:
            placeholders[name] = empty
            listed = ", ".join(repr(value) for value in empty[:5])
            flags.append(f"{said}, {100 * share:.0f} % because they stand for nothing ({listed}): null from staging on")
            continue
        if name == "phone" and country is not None:
            continue
        flags.append(
            f"{said} as invalid: a third lost of all sources together stops a run behind cleansing. Check that it is the "
            f"right column for {name}"
        )
    return Losses(placeholders, country, tuple(flags))


def _shares(con: duckdb.DuckDBPyConnection, known: dict[str, Proposal]) -> dict[str, float]:
    """Attribute to the share of its values that standardisation drops."""
    from orchestration.standardise import RECORD_COLUMNS, standardise_records

    columns = {name: f"f{proposal.column.position}" for name, proposal in known.items()}
    typed = {"birth_date": "null::date", "updated_at": "null::timestamp", "load_date": "current_date"}
    selected = ", ".join(
        f"{columns[name]} as {name}" if name in columns else f"{typed.get(name, 'null::varchar')} as {name}"
        for name in RECORD_COLUMNS
    )
    con.execute(
        f"""
        create or replace temp table profiled_records as
        select {selected.replace("null::varchar as record_id", "rowid::varchar as record_id")}
        from {FILE_TABLE}
        where rowid % greatest(1, (select count(*) from {FILE_TABLE}) // {_ROWS}) = 0
        """
    )
    standardise_records(con, "profiled_records", "profiled_standard")
    lost = ", ".join(f"count(*) filter (where list_contains(placeholder_fields, '{name}'))" for name in known)
    filled = ", ".join(f"count(*) filter (where trim({name}) <> '')" for name in known)
    drops = con.execute(f"select {lost} from profiled_standard").fetchall()[0]
    totals = con.execute(f"select {filled} from profiled_records").fetchall()[0]
    con.execute("drop table profiled_standard")
    con.execute("drop table profiled_records")
    return {name: drop / total if total else 0.0 for name, drop, total in zip(known, drops, totals, strict=True)}


def _placeholders(con: duckdb.DuckDBPyConnection, name: str, column: str) -> tuple[tuple[str, ...], int]:
    """The values of the column that the placeholder rules name, commonest first, and how many rows have one."""
    from orchestration.standardise.placeholders import is_placeholder

    rows = con.execute(
        f"""
        select trim({column}) as value, count(*) as n
        from {FILE_TABLE}
        where trim({column}) <> '' and {is_placeholder(name, f"trim({column})")}
        group by value
        order by n desc, value
        """
    ).fetchall()
    return tuple(str(row[0]) for row in rows[:_MOST_LISTED]), sum(int(row[1]) for row in rows)


def _country_of_phones(proposal: Proposal) -> tuple[str | None, float]:
    """The country in whose plan the numbers are valid, and their share; None when they say theirs, or the default fits."""
    import phonenumbers

    from orchestration.standardise import DEFAULT_REGION

    counts: Counter[str] = Counter()
    sample = [(value, count) for value, count in proposal.column.sample[:200] if not value.startswith(("+", "00"))]
    total = sum(count for _, count in sample)
    if total < 0.5 * sum(count for _, count in proposal.column.sample[:200]):
        return None, 0.0
    for value, count in sample:
        for region in _REGIONS:
            try:
                number = phonenumbers.parse(value, region)
            except phonenumbers.NumberParseException:
                continue
            if phonenumbers.is_valid_number(number) and phonenumbers.region_code_for_number(number) == region:
                counts[region] += count
    if not counts:
        return None, 0.0
    region = min(counts, key=lambda code: (-counts[code], _REGIONS.index(code)))
    share = counts[region] / total
    fits = region != DEFAULT_REGION and share >= 0.6 and counts[DEFAULT_REGION] < 0.3 * total
    return (region, share) if fits else (None, share)

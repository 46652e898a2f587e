"""cleansing.standardised_records: the records as matching reads them, placeholders and invalid values taken out."""

from great_expectations.expectations.expectation import Expectation

from expectations import checks
from expectations.suites import SuiteInput

# 2026-01: the sample loses 3 percent of its e-mail addresses as placeholders or invalid. Losing a third means that a rule
# of standardisation is wrong; matching would then find far fewer duplicates without any error.
LOST_VALUES = 0.33


def _lost(column: str) -> Expectation:
    # Source by source: what a small one loses whole would not show in the sum of all.
    query = f"""
        with before as (
            select source, count({column}) as n from integration.int_customer_records group by source
        ),
        after as (select source, count({column}) as n from {checks.BATCH} group by source)
        select coalesce(max(1.0 - coalesce(after.n, 0) / before.n), 0)
        from before
        left join after on before.source = after.source
        where before.n >= 100
    """
    return checks.scalar(
        f"lost_in_standardising:{column}",
        query,
        f"share of values of {column} that standardising dropped, in the source that lost most, where a hundred records "
        "of it have one",
        high=LOST_VALUES,
        column=column,
    )


def build(_: SuiteInput) -> list[Expectation]:
    """Expectations of cleansing.standardised_records."""
    return [
        checks.satisfies(
            "email_is_standard",
            "email",
            "email = lower(email) and email not like '% %' and email like '%_@_%._%'",
            "email is in lower case, without blanks, and has the form name@domain.tld",
        ),
        checks.matches("phone", r"^\+[1-9][0-9]{4,14}$", "phone is in E.164"),
        checks.matches("country", "^[A-Z]{2}$", "country is an ISO 3166 two-letter code"),
        checks.one_of("gender", ("female", "male", "other")),
        checks.satisfies(
            "birth_date_is_past", "birth_date", "birth_date <= load_date", "birth_date is not after the load date"
        ),
        checks.scalar(
            "records_lost",
            f"""
            select count(*)
            from integration.int_customer_records as records
            where records.record_id not in (select record_id from {checks.BATCH})
                and records.record_id not in (select row_key from quarantine.standardised_records)
            """,
            "records of integration that standardising lost",
            high=0,
        ),
        checks.scalar(
            "records_added",
            f"""
            select count(*) from {checks.BATCH} as standardised
            where standardised.record_id not in (select record_id from integration.int_customer_records)
            """,
            "standardised records that integration does not know",
            high=0,
        ),
        _lost("email"),
        _lost("family_name"),
        _lost("postcode"),
        checks.share(
            "placeholder_share",
            "len(placeholder_fields) > 0",
            "share of records with a placeholder or an invalid value",
            high=0.3,
            severity="warn",
            column="placeholder_fields",
        ),
    ]

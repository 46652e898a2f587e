"""integration.int_customer_records: one row per source record, still in the words of its source.

Values are judged leniently, for cleansing comes next; what is judged hard is what the later stages lean on.
"""

from great_expectations.expectations.expectation import Expectation

from expectations import checks
from expectations.suites import SuiteInput

# 2026-01: mailboxes that a shop's or a call centre's staff enter for everybody reach a few percent of records; the
# placeholder rules of cleansing know the usual ones. One address on a tenth of all records is a new one.
HOT_VALUE_SHARE = 0.10
PERSONAL = "coalesce(given_name, family_name, email, phone, national_id, street)"


def build(_: SuiteInput) -> list[Expectation]:
    """Expectations of integration.int_customer_records."""
    return [
        checks.satisfies(
            "record_id_of_source",
            "record_id",
            "source is not null and source_record_id is not null and record_id = source || ':' || source_record_id",
            "record_id is <source>:<source_record_id>",
        ),
        checks.satisfies(
            "not_from_the_future:updated_at",
            "updated_at",
            "updated_at < load_date + interval 2 day",
            "updated_at is not after the load date, with two days of tolerance",
        ),
        checks.satisfies(
            "loaded_in_order",
            "first_load_date",
            "first_load_date is not null and first_load_date <= load_date",
            "first_load_date is not after load_date",
        ),
        checks.satisfies(
            "birth_date_is_past",
            "birth_date",
            "birth_date <= load_date",
            "birth_date is not after the load date",
            severity="warn",
        ),
        checks.row_count(1, None, "there are customer records"),
        checks.share(
            "records_without_person",
            f"{PERSONAL} is null",
            "share of records that say nothing about a person",
            high=0.5,
            severity="warn",
        ),
        checks.scalar(
            "hot_email_share",
            f"""
            with emails as (select email, count(*) as records from {checks.BATCH} where email is not null group by email)
            select case when sum(records) >= 100 then max(records) / sum(records) else 0 end from emails
            """,
            "share of the commonest e-mail address, where a hundred records have one",
            high=HOT_VALUE_SHARE,
            severity="warn",
            column="email",
        ),
        checks.scalar(
            "stale_sources",
            f"""
            with sources as (select source, max(load_date) as latest from {checks.BATCH} group by source)
            select count(*) from sources where latest < (select max(latest) from sources) - interval 7 day
            """,
            "sources that have brought no record for a week while others did",
            high=0,
            severity="warn",
            column="source",
        ),
    ]

"""Each expectation of each suite fails when, and only when, what it guards is broken, and rows that fail are named."""

import subprocess
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
from small_warehouse import DAY, execute, gate

from expectations.suites import DERIVED_GATES, SuiteInput, gate_of, gates

RECORDS = "integration.int_customer_records"
ORDERS = "integration.int_orders"
EVENTS = "integration.int_customer_events"
CONSENT = "integration.int_consent_events"
STANDARD = "cleansing.standardised_records"
MEMBERS = "resolution.memberships"
IDS = "resolution.customer_ids"
ID_EVENTS = "resolution.id_events"
QUEUE = "resolution.review_queue"
GOLDEN = "cleansing.golden_customers"
DIM = "marts.dim_customer"
FCT_ORDERS = "marts.fct_orders"
INTERACTIONS = "marts.fct_interactions"
FCT_CONSENT = "marts.fct_consent"
C360 = "marts.customer_360"

ONE = "record_id = 'crm:107'"
CUSTOMER = "customer_id = 'cus_00000000000000000107'"


@dataclass(frozen=True)
class Break:
    """A statement that breaks one expectation; `key` is the row that it must name, for row expectations."""

    table: str
    check: str
    statement: str
    key: str | None = None


def _set(table: str, check: str, assignment: str, where: str = ONE, key: str | None = "crm:107") -> Break:
    return Break(table, check, f"update {table} set {assignment} where {where}", key)


def _of(kind: str, column: str) -> str:
    return f"expect_column_{kind}:{column}"


NOT_NULL, REGEX, RANGE, SET = (
    "values_to_not_be_null",
    "values_to_match_regex",
    "values_to_be_between",
    "values_to_be_in_set",
)
ORDER, EVENT, ANSWER, KEY = "order_id = 'o7'", "event_id = 'e7'", "consent_event_id = 'c7'", "cus_00000000000000000107"
GIVEN = "cus_00000000000000000125"
MINTED = "evt_" + sha256(KEY.encode()).hexdigest()[:20]

BREAKS = [
    _set(RECORDS, "record_id_of_source", "source = 'shop'"),
    _set(RECORDS, "not_from_the_future:updated_at", "updated_at = '2026-01-08'"),
    _set(RECORDS, "loaded_in_order", "first_load_date = '2026-01-06'"),
    _set(RECORDS, "birth_date_is_past", "birth_date = '2030-01-01'"),
    Break(RECORDS, "row_count", f"delete from {RECORDS}"),
    Break(
        RECORDS,
        "records_without_person",
        f"update {RECORDS} set given_name = null, family_name = null, email = null, phone = null, street = null",
    ),
    Break(
        RECORDS,
        "hot_email_share",
        f"update {RECORDS} set email = 'noreply@shop.example' where source_record_id < '120'",
    ),
    Break(
        RECORDS,
        "stale_sources",
        f"insert into {RECORDS} select * replace ('web:1' as record_id, 'web' as source, '1' as source_record_id,"
        f" date '2025-12-01' as load_date) from {RECORDS} where {ONE}",
    ),
    _set(ORDERS, _of(NOT_NULL, "record_id"), "record_id = null", ORDER, "o7"),
    _set(ORDERS, _of(NOT_NULL, "amount"), "amount = null", ORDER, "o7"),
    _set(ORDERS, _of(RANGE, "amount"), "amount = -1", ORDER, "o7"),
    _set(ORDERS, _of(REGEX, "currency"), "currency = 'euro'", ORDER, "o7"),
    _set(ORDERS, "not_from_the_future:ordered_at", "ordered_at = '2026-02-01', updated_at = '2026-02-02'", ORDER, "o7"),
    _set(ORDERS, "updated_after_ordered", "updated_at = '2025-01-01'", ORDER, "o7"),
    _set(ORDERS, _of(RANGE, "items"), "items = 0", ORDER, "o7"),
    Break(ORDERS, "orders_of_nothing", f"update {ORDERS} set amount = 0 where order_id <> 'o1'"),
    Break(ORDERS, "reversed_share", f"update {ORDERS} set status = 'returned'"),
    Break(ORDERS, "largest_order_share", f"update {ORDERS} set amount = 900000 where {ORDER}"),
    _set(EVENTS, _of(NOT_NULL, "event_type"), "event_type = null", EVENT, "e7"),
    _set(EVENTS, "somebody_did_it", "record_id = null, anonymous_id = null", EVENT, "e7"),
    _set(EVENTS, "not_from_the_future:occurred_at", "occurred_at = '2027-01-01'", EVENT, "e7"),
    _set(EVENTS, "amount_has_currency", "amount = 5", EVENT, "e7"),
    Break(EVENTS, "unidentified_share", f"update {EVENTS} set record_id = null"),
    Break(EVENTS, "busiest_visitor_share", f"update {EVENTS} set record_id = 'crm:100'"),
    _set(CONSENT, _of(NOT_NULL, "purpose"), "purpose = null", ANSWER, "c7"),
    _set(CONSENT, _of(NOT_NULL, "channel"), "channel = null", ANSWER, "c7"),
    _set(CONSENT, _of(NOT_NULL, "legal_basis"), "legal_basis = null", ANSWER, "c7"),
    _set(CONSENT, _of(SET, "legal_basis"), "legal_basis = 'because'", ANSWER, "c7"),
    _set(CONSENT, "not_from_the_future:occurred_at", "occurred_at = '2027-01-01'", ANSWER, "c7"),
    Break(
        CONSENT,
        "contradictions",
        f"insert into {CONSENT} select * replace (consent_event_id || 'x' as consent_event_id, 'withdrawn' as status)"
        f" from {CONSENT} where status = 'granted'",
    ),
    Break(CONSENT, "withdrawals_arrive", f"update {CONSENT} set status = 'granted'"),
    _set(STANDARD, "email_is_standard", "email = 'A@B.com'"),
    _set(STANDARD, _of(REGEX, "phone"), "phone = '020 7946 0107'"),
    _set(STANDARD, _of(REGEX, "country"), "country = 'United Kingdom'"),
    _set(STANDARD, _of(SET, "gender"), "gender = 'f'"),
    _set(STANDARD, "birth_date_is_past", "birth_date = '2030-01-01'"),
    Break(STANDARD, "records_lost", f"delete from {STANDARD} where {ONE}"),
    Break(STANDARD, "records_added", f"delete from {RECORDS} where {ONE}"),
    Break(STANDARD, "lost_in_standardising:email", f"update {STANDARD} set email = null"),
    Break(STANDARD, "lost_in_standardising:family_name", f"update {STANDARD} set family_name = null"),
    Break(STANDARD, "lost_in_standardising:postcode", f"update {STANDARD} set postcode = null"),
    Break(STANDARD, "placeholder_share", f"update {STANDARD} set placeholder_fields = ['email']"),
    _set(MEMBERS, _of(REGEX, "customer_id"), "customer_id = '7'"),
    _set(MEMBERS, _of(RANGE, "match_probability"), "match_probability = 1.5"),
    Break(MEMBERS, "records_without_customer", f"delete from {MEMBERS} where {ONE}"),
    Break(MEMBERS, "unknown_records", f"delete from {STANDARD} where {ONE}"),
    Break(MEMBERS, "records_with_two_customers", f"insert into {MEMBERS} select * from {MEMBERS} where {ONE}"),
    Break(
        MEMBERS,
        "largest_cluster",
        f"insert into {MEMBERS} select 'crm:x' || i, 'cus_00000000000000000100', 1 from range(200) as t(i)",
    ),
    Break(
        MEMBERS,
        "large_cluster",
        f"update {MEMBERS} set customer_id = 'cus_00000000000000000100' where record_id < 'crm:155'",
    ),
    _set(IDS, _of(REGEX, "customer_id"), "customer_id = '7', current_customer_id = '7'", CUSTOMER, "7"),
    Break(IDS, "ids_given_twice", f"insert into {IDS} select * from {IDS} where {CUSTOMER}"),
    Break(IDS, "living_without_records", f"delete from {MEMBERS} where {ONE}"),
    Break(IDS, "retired_with_records", f"update {IDS} set retired_on = '2026-01-05' where {CUSTOMER}"),
    Break(IDS, "redirects_to_nowhere", f"update {IDS} set current_customer_id = 'cus_x' where retired_on is not null"),
    Break(IDS, "published_ids_that_disappeared", f"delete from {IDS} where {CUSTOMER}"),
    _set(ID_EVENTS, _of(REGEX, "event_id"), "event_id = '7'", CUSTOMER, "7"),
    _set(ID_EVENTS, _of(SET, "kind"), "kind = 'revived'", CUSTOMER, MINTED),
    _set(ID_EVENTS, _of(SET, "cause"), "cause = 'chance'", CUSTOMER, MINTED),
    Break(ID_EVENTS, "events_told_twice", f"insert into {ID_EVENTS} select * from {ID_EVENTS} where {CUSTOMER}"),
    Break(ID_EVENTS, "without_the_other_customer", f"update {ID_EVENTS} set other_customer_id = null"),
    Break(ID_EVENTS, "ends_untold", f"delete from {ID_EVENTS} where kind = 'merged'"),
    Break(ID_EVENTS, "beginnings_untold", f"delete from {ID_EVENTS} where {CUSTOMER}"),
    _set(QUEUE, _of(RANGE, "match_probability"), "match_probability = 1.5", "rank = 8", "crm:107|crm:108"),
    Break(QUEUE, "ranks_with_gaps", f"update {QUEUE} set rank = 12 where rank = 10"),
    Break(QUEUE, "judged_already", f"update {QUEUE} set record_id_r = 'crm:119' where rank = 1"),
    Break(
        QUEUE,
        "full_queue",
        f"insert into {QUEUE} select 'l' || i, 'r' || i, 0, 0, '', 1, i from range(11, 511) as t(i)",
    ),
    Break(MEMBERS, "customers_per_record", f"update {MEMBERS} set customer_id = 'cus_00000000000000000100'"),
    _set(GOLDEN, _of(REGEX, "customer_id"), "customer_id = 'x'", CUSTOMER, "x"),
    _set(GOLDEN, _of(REGEX, "email"), "email = 'nobody'", CUSTOMER, KEY),
    _set(GOLDEN, _of(REGEX, "country"), "country = 'uk'", CUSTOMER, KEY),
    Break(GOLDEN, "customers_lost", f"delete from {GOLDEN} where {CUSTOMER}"),
    Break(GOLDEN, "values_lost", f"update {GOLDEN} set email = null where customer_id < 'cus_00000000000000000110'"),
    Break(
        GOLDEN,
        "customers_per_email",
        f"update {GOLDEN} set email = 'a@b.com' where customer_id < 'cus_00000000000000000112'",
    ),
    _set(DIM, "counts_are_sound", "source_count = 0, sources = ''", CUSTOMER, KEY),
    _set(DIM, "sources_are_listed", "sources = 'crm,shop'", CUSTOMER, KEY),
    _set(DIM, _of(NOT_NULL, "first_seen_on"), "first_seen_on = null", CUSTOMER, KEY),
    Break(DIM, "customers_lost", f"delete from {DIM} where {CUSTOMER}"),
    Break(DIM, "records_lost", f"update {DIM} set record_count = 5 where {CUSTOMER}"),
    Break(DIM, "nameless_share", f"update {DIM} set given_name = null, family_name = null"),
    _set(FCT_ORDERS, "order_date_is_of_ordered_at", "order_date = '2026-01-01'", ORDER, "o7"),
    _set(FCT_ORDERS, "converted_where_needed", "amount_reporting = null", ORDER, "o7"),
    Break(FCT_ORDERS, "amounts_reconcile", f"update {FCT_ORDERS} set amount = amount + 0.01 where {ORDER}"),
    Break(FCT_ORDERS, "orders_reconcile", f"insert into {FCT_ORDERS} select * from {FCT_ORDERS} where {ORDER}"),
    Break(FCT_ORDERS, "orders_without_customer", f"update {FCT_ORDERS} set customer_id = null where amount < 80"),
    Break(FCT_ORDERS, "few_orders_without_customer", f"update {FCT_ORDERS} set customer_id = null where amount < 20"),
    _set(
        INTERACTIONS,
        "visitor_is_known",
        "customer_id = null, record_id = null, anonymous_id = null",
        "interaction_id = 'e7'",
        "e7",
    ),
    _set(INTERACTIONS, _of(NOT_NULL, "occurred_at"), "occurred_at = null", "interaction_id = 'e7'", "e7"),
    Break(INTERACTIONS, "events_reconcile", f"delete from {INTERACTIONS} where interaction_id = 'e7'"),
    Break(INTERACTIONS, "records_without_customer", f"update {INTERACTIONS} set customer_id = null where {ONE}"),
    _set(FCT_CONSENT, _of(NOT_NULL, "decided_at"), "decided_at = null", CUSTOMER, f"{KEY}|marketing|email"),
    _set(FCT_CONSENT, _of(NOT_NULL, "legal_basis"), "legal_basis = null", CUSTOMER, f"{KEY}|marketing|email"),
    Break(FCT_CONSENT, "withdrawals_overruled", f"update {FCT_CONSENT} set status = 'granted' where {CUSTOMER}"),
    Break(FCT_CONSENT, "conflicting_share", f"update {FCT_CONSENT} set conflicting = true"),
    _set(C360, _of(NOT_NULL, "email_marketing_allowed"), "email_marketing_allowed = null", CUSTOMER, KEY),
    _set(C360, _of(NOT_NULL, "sms_marketing_allowed"), "sms_marketing_allowed = null", CUSTOMER, KEY),
    _set(C360, _of(NOT_NULL, "profiling_allowed"), "profiling_allowed = null", CUSTOMER, KEY),
    _set(C360, "order_dates_are_in_order", "last_order_date = '2020-01-01'", CUSTOMER, KEY),
    _set(C360, "revenue_is_not_negative", "revenue = -revenue", CUSTOMER, KEY),
    Break(C360, "email_marketing_allowed_without_consent", f"update {C360} set email_marketing_allowed = true"),
    Break(
        C360,
        "sms_marketing_allowed_without_consent",
        f"update {C360} set sms_marketing_allowed = true where {CUSTOMER}",
    ),
    Break(C360, "customers_lost", f"delete from {C360} where {CUSTOMER}"),
    Break(C360, "revenue_reconciles", f"update {C360} set revenue = revenue + 1 where {CUSTOMER}"),
]


@pytest.mark.parametrize("name", [gate.name for gate in DERIVED_GATES])
def test_a_sound_warehouse_passes_every_check(warehouse: Path, name: str) -> None:
    result = gate(warehouse, name)

    assert [(check.expectation, check.message) for check in result.failed_checks] == []
    assert result.passed
    assert result.quarantined == 0


@pytest.mark.parametrize("broken", BREAKS, ids=lambda broken: f"{broken.table}-{broken.check}")
def test_each_expectation_fails_when_what_it_guards_is_broken(warehouse: Path, broken: Break) -> None:
    execute(warehouse, broken.statement)

    result = gate(warehouse, broken.table)

    check = next(check for check in result.checks if check.expectation == broken.check)
    assert check.evaluated, check.message
    assert not check.success
    if broken.key is None:
        assert check.level == "table"
        assert result.passed is (check.severity == "warn") or any(c.blocks for c in result.checks if c is not check)
    else:
        assert check.level == "row"
        assert check.unexpected_count == 1
        assert [row["key"] for row in result.failing_rows if row["check"] == broken.check] == [broken.key]
        quarantine = f"quarantine.{broken.table.split('.')[1]}"
        held = execute(warehouse, f"select row_key from {quarantine} where check_name = '{broken.check}'")
        assert held == ([(broken.key,)] if check.severity == "block" else [])


def test_every_expectation_of_every_suite_is_tried(warehouse: Path) -> None:
    tried = {(broken.table, broken.check) for broken in BREAKS}
    listed = {
        (gated.name, expectation.meta["check"])
        for gated in DERIVED_GATES
        for expectation in gated.build(SuiteInput(DAY))
    }

    assert listed == tried


def test_every_suite_judges_rows_and_the_table() -> None:
    for gated in DERIVED_GATES:
        levels = {expectation.meta["level"] for expectation in gated.build(SuiteInput(DAY))}
        assert levels == {"row", "table"}, gated.name


def test_every_suite_can_stop_the_run() -> None:
    for gated in DERIVED_GATES:
        suite = gated.build(SuiteInput(DAY))
        assert any(e.meta["level"] == "table" and e.meta["severity"] == "block" for e in suite), gated.name


def test_a_user_without_orders_events_or_consent_passes(warehouse: Path) -> None:
    for table in (ORDERS, EVENTS, CONSENT, FCT_ORDERS, INTERACTIONS, FCT_CONSENT):
        execute(warehouse, f"delete from {table}")

    for table in (ORDERS, EVENTS, CONSENT, FCT_ORDERS, INTERACTIONS, FCT_CONSENT):
        result = gate(warehouse, table)
        assert result.passed, result.summary()


def test_the_registry_costs_no_import_of_great_expectations() -> None:
    code = "import sys, expectations.suites as s; s.gates('storage'); sys.exit('great_expectations' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_stages_list_their_tables() -> None:
    assert [gated.name for gated in gates("cleansing")] == [STANDARD, MEMBERS, IDS, ID_EVENTS, QUEUE, GOLDEN]
    assert gate_of("marts", "dim_customer") in gates("storage")
    assert gate_of("marts", "customer_xref") is None

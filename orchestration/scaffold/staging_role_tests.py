"""The dbt unit tests of consent, tickets and events: made-up rows through the mapping.

Belongs here: made-up values. Does not belong here: the customer records (`staging_tests`). No value of the user's file is
ever written here.
"""

from typing import Any

from orchestration.scaffold.columns import PlannedColumn
from orchestration.scaffold.plan import SourcePlan
from orchestration.scaffold.role_columns import Answer, RoleReading

_DAYS = ("2026-01-05", "2026-01-06", "2026-01-07")
_UNHEARD_OF = "a word that no list knows"


def role_tests(plan: SourcePlan) -> list[dict[str, Any]]:
    """A test for each role that the source feeds besides people and orders."""
    tests = []
    for reading in plan.readings.values():
        match reading.role:
            case "consent_events":
                found = _consent_test(plan, reading)
            case "support_tickets":
                found = _ticket_test(plan, reading)
            case "customer_events":
                found = _event_test(plan, reading)
        if found is not None:
            tests.append(found)
    return tests


def _test(plan: SourcePlan, name: str, role: str, rows: list[dict[str, Any]], expected: list[dict[str, Any]]) -> Any:
    return {
        "name": f"{plan.source}_{name}",
        "model": f"stg_{plan.source}__{role}",
        "given": [{"input": f"source('raw', '{plan.source}__{plan.table}')", "rows": rows}],
        "expect": {"rows": expected},
    }


def _consent_test(plan: SourcePlan, reading: RoleReading) -> dict[str, Any] | None:
    """Each on a day of its own: a word that grants, one that nobody knows, none."""
    if plan.keys.by_row or plan.keys.record is None:
        return None
    answer = reading.answers[0]
    column = plan.named(answer.column)
    said: tuple[Any, ...] = {"boolean": (True, False, None), "integer": (1, 0, None), "number": (1, 0, None)}.get(
        column.logical_type, ("Yes", _UNHEARD_OF, None)
    )
    key, person = _person(plan)
    rows = []
    for number, (word, day) in enumerate(zip(said, _DAYS, strict=True), 1):
        row: dict[str, Any] = {key: person, column.name: word, "_load_date": day, "_row": number}
        row |= {plan.named(about).name: word for about, word in _topics(answer)}
        rows.append(row)
    record = f"{plan.people or plan.source}:{person}"
    statuses = ["withdrawn"] if answer.refusing else ["granted", "withdrawn"]
    if answer.refusing and column.logical_type == "string":
        statuses = ["withdrawn", "withdrawn"]
    expected = [
        {
            "record_id": record,
            "purpose": answer.purpose if isinstance(answer.purpose, str) else "marketing",
            "channel": answer.channel if isinstance(answer.channel, str) else "email",
            "status": status,
            "load_date": day,
        }
        for status, day in zip(statuses, _DAYS, strict=False)
    ]
    test = _test(plan, "answer_grants_only_by_a_known_word", "consent_events", rows, expected)
    model = f"stg_{plan.people or plan.source}__customer_records"
    test["given"].append({"input": f"ref('{model}')", "rows": [{"record_id": record}]})
    return dict(test)


def _topics(answer: Answer) -> list[tuple[Any, str]]:
    return [
        (about, word)
        for about, word in ((answer.purpose, "Newsletter"), (answer.channel, "E-Mail"))
        if not isinstance(about, str)
    ]


def _person(plan: SourcePlan) -> tuple[str, Any]:
    assert plan.keys.record is not None
    column = plan.named(plan.keys.record)
    return column.name, "ada@example.org" if plan.keys.record_kind == "email" else _id(column, 7)


def _id(column: PlannedColumn, number: int) -> Any:
    return number if column.logical_type in ("integer", "number") else f"K{number}"


def _ticket_test(plan: SourcePlan, reading: RoleReading) -> dict[str, Any]:
    """A ticket that was sent twice is one."""
    key, person = _person(plan)
    ticket = plan.named(reading.columns["id"])
    status = plan.named(reading.columns["status"])
    word: Any = "Closed" if status.logical_type == "string" else None
    row = {ticket.name: _id(ticket, 1), key: person, status.name: word, "_load_date": _DAYS[0], "_row": 1}
    expected = {
        "ticket_id": f"{plan.source}:{_id(ticket, 1)}",
        "record_id": f"{plan.people or plan.source}:{person}",
        "status": "solved" if word else "open",
    }
    rows = [row] if plan.delivery == "snapshot" else [row, {**row, "_load_date": _DAYS[1]}]
    return dict(_test(plan, "ticket_sent_twice_is_one", "support_tickets", rows, [expected]))


def _event_test(plan: SourcePlan, reading: RoleReading) -> dict[str, Any]:
    """An event that was sent twice is one, in the words that Kindred counts by."""
    row: dict[str, Any] = {"_load_date": _DAYS[0], "_row": 1}
    expected: dict[str, Any] = {"event_type": "page_viewed"}
    identity, user = reading.columns.get("id"), reading.columns.get("user")
    if identity is not None:
        column = plan.named(identity)
        row[column.name] = _id(column, 1)
        expected["event_id"] = f"{plan.source}:{_id(column, 1)}"
    if user is not None:
        column = plan.named(user)
        row[column.name] = _id(column, 7)
        expected["record_id"] = (
            f"{plan.people}:{_id(column, 7)}" if plan.people else f"{plan.source}:u-{_id(column, 7)}"
        )
    name, kind = reading.columns.get("name"), reading.columns.get("kind")
    if kind is not None:
        row[plan.named(kind).name] = "page"
    elif name is not None:
        row[plan.named(name).name] = "Page view"
    return dict(_test(plan, "event_sent_twice_is_one", "customer_events", [row, {**row, "_row": 2}], [expected]))

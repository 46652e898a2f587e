"""The staging model of consent: who allowed or forbade what, by which channel, and when.

Belongs here: mapping answers so that nothing grants but a word that is known to. Does not belong here: the words
(`data/roles.yaml`), and which columns are answers (`role_columns`).
"""

from orchestration.scaffold.plan import SourcePlan
from orchestration.scaffold.profile import ColumnProfile
from orchestration.scaffold.role_columns import Answer, RoleReading
from orchestration.scaffold.role_words import listed_words, meaning_sql, plain_word_duckdb, plain_word_sql, role_words
from orchestration.scaffold.staging_parts import (
    as_text,
    as_timestamp,
    record_id,
    render_model,
    row_hash_cte,
    source_cte,
)


def consent_sql(plan: SourcePlan) -> str:
    """The model of answers: each once, however often it was delivered."""
    reading = plan.readings["consent_events"]
    relation, ctes = plan.table, [source_cte(plan)]
    ctes.append(("records", f"select * from {{{{ ref('stg_{plan.people or plan.source}__customer_records') }}}}"))
    if plan.keys.by_row:
        ctes.append(row_hash_cte(plan, relation))
        relation = f"keyed_{plan.table}"
    selects = [_answer(plan, reading, answer, relation) for answer in reading.answers]
    ctes.append(("answers", "\n\nunion all\n\n".join(selects)))
    key = "['record_id', 'purpose', 'channel', 'status', 'occurred_at']"
    ctes.append((
        "known_answers",
        "-- An answer of somebody whose record is gone, or held back, is nobody's.\n"
        f"select\n    answers.*,\n    {{{{ surrogate_id({_prefixed(key)}) }}}} as answer_id\nfrom answers\n"
        "inner join records\n    on answers.record_id = records.record_id\nwhere answers.status is not null",
    ))  # fmt: skip
    ctes.append((
        "distinct_answers",
        "-- The same answer sent twice is one; it keeps the day on which it came first. Of two answers at one moment the\n"
        "-- stricter counts.\nselect *\nfrom (\n    select\n        *,\n"
        "        row_number() over (partition by answer_id order by load_date, row_number) as arrival,\n"
        "        max(status) over (partition by record_id, purpose, channel, occurred_at) as strictest\n"
        "    from known_answers\n) as arrivals\nwhere arrival = 1 and status = strictest",
    ))  # fmt: skip
    ctes.append((
        "consent_events",
        f"select\n    '{plan.source}:' || answer_id as consent_event_id,\n    record_id,\n    purpose,\n    channel,\n"
        f"    status,\n    legal_basis,\n    occurred_at,\n    method,\n    '{plan.source}' as source,\n    load_date\n"
        "from distinct_answers",
    ))  # fmt: skip
    return render_model(plan, "One row per answer to a question of consent.", ctes)


def unknown_answers_rule(plan: SourcePlan) -> dict[str, object] | None:
    """A rule of the contract that warns of words that later files bring and no list knows; None without answers."""
    reading = plan.readings.get("consent_events")
    columns = [plan.named(a.column) for a in reading.answers if not a.refusing] if reading is not None else []
    if not columns:
        return None
    known = ", ".join(_quoted(word) for word in role_words().all_of("answers"))
    conditions = " or ".join(
        f"{plain_word_duckdb(f'cast({column.name} as varchar)')} not in ({known}, '')" for column in columns
    )
    names = ", ".join(column.name for column in columns)
    return {
        "name": "unknown_answers",
        "description": f"every word of {names} is known; rows with another count as withdrawn",
        "type": "sql",
        "query": f"select count(*) from ${{object}} where {conditions}",
        "severity": "warning",
        "mustBe": 0,
    }


def _prefixed(listed: str) -> str:
    return listed.replace("'record_id'", "'answers.record_id'")


def _answer(plan: SourcePlan, reading: RoleReading, answer: Answer, relation: str) -> str:
    status = _status(plan, answer)
    lines = {
        "record_id": record_id(plan),
        "purpose": _about(plan, answer.purpose, "purposes"),
        "channel": _about(plan, answer.channel, "channels"),
        "status": status,
        "legal_basis": _legal_basis(plan, reading),
        "occurred_at": _occurred_at(plan, reading, status, granting=not answer.refusing),
        "method": _method(plan, reading),
        "load_date": "_load_date",
        "row_number": "_row",
    }
    selected = ",\n".join(f"{_indented(text)} as {name}" for name, text in lines.items())
    return f"select\n{selected}\nfrom {relation}"


def _status(plan: SourcePlan, answer: Answer) -> str:
    column = as_text(plan.named(answer.column))
    plain = plain_word_sql(column)
    if answer.refusing:
        listed = listed_words(("", *role_words().plain_no))
        return (
            f"case\n    -- Not to have refused is no consent.\n    when coalesce({plain}, '') in ({listed}    )\n"
            "        then null\n    else 'withdrawn'\nend"
        )
    granted = listed_words(role_words().of("answers", "granted"))
    none = listed_words(("", *role_words().of("answers", "none")))
    return (
        f"case\n    when {plain} in ({granted}    )\n        then 'granted'\n"
        f"    when coalesce({plain}, '') in ({none}    )\n        then null\n"
        "    -- A word that is not known to grant does not.\n    else 'withdrawn'\nend"
    )


def _about(plan: SourcePlan, about: ColumnProfile | str, kind: str) -> str:
    if isinstance(about, str):
        return _quoted(about)
    return meaning_sql(kind, as_text(plan.named(about)), "nullif({word}, '')")


def _legal_basis(plan: SourcePlan, reading: RoleReading) -> str:
    column = reading.columns.get("legal_basis")
    if column is None:
        return _quoted(reading.constants.get("legal_basis", "consent"))
    others = [basis for basis in role_words().values["legal_bases"] if basis != "consent"]
    return meaning_sql("legal_bases", as_text(plan.named(column)), "'consent'", only=others)


def _occurred_at(plan: SourcePlan, reading: RoleReading, status: str, *, granting: bool) -> str:
    moments = {name: as_timestamp(plan.named(column)) for name, column in reading.times.items()}
    landed = "cast(_load_date as timestamp)"
    change = [moments[name] for name in ("occurred_at", "updated_at") if name in moments]

    def first(*own: str) -> str:
        known = [*(moments[name] for name in own if name in moments), *change, landed]
        return known[0] if len(known) == 1 else f"coalesce({', '.join(known)})"

    if not granting or not {"granted_at", "withdrawn_at"} & moments.keys():
        return first("withdrawn_at") if not granting else first()
    granted = status[len("case\n    when ") : status.index("\n        then 'granted'")]
    return f"case\n    when {granted}\n        then {first('granted_at')}\n    else {first('withdrawn_at')}\nend"


def _method(plan: SourcePlan, reading: RoleReading) -> str:
    column = reading.columns.get("method")
    return f"nullif({plain_word_sql(as_text(plan.named(column)))}, '')" if column is not None else "'import'"


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"

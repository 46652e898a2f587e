"""The ledger's tables, in SQLAlchemy Core so that SQLite and Postgres hold the same.

Belongs here: names, columns and what each row means. Does not belong here: reading or writing them.

Times are naive UTC, cut to microseconds: a time zone or a finer clock would read back differently from another
database, and the audit chain hashes what is read back.
"""

import sqlalchemy as sa

metadata = sa.MetaData()

quarantine_decisions = sa.Table(
    "quarantine_decisions",
    metadata,
    # One row per landed row that a person decided on; a later decision adds to it or replaces it, nothing is edited.
    sa.Column("decision_id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("table_name", sa.String(200), nullable=False),
    sa.Column("load_date", sa.Date, nullable=False),
    sa.Column("file", sa.String(1000), nullable=False),
    sa.Column("row_number", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),
    # replay: column to corrected text, null for no value.
    sa.Column("corrections", sa.JSON(none_as_null=True)),
    sa.Column("reason", sa.Text),
    sa.Column("decided_by", sa.String(200), nullable=False),
    sa.Column("decided_at", sa.DateTime, nullable=False),
    # The checks that the row had failed when it was decided on.
    sa.Column("checks", sa.JSON(none_as_null=True), nullable=False),
    # Which row it was: the columns that were looked at and a hash of their landed text. A file that is sent again may
    # hold another person's row in the same place, and a decision must not fall on it.
    sa.Column("seen_columns", sa.JSON(none_as_null=True), nullable=False),
    sa.Column("seen_hash", sa.String(64), nullable=False),
    sa.CheckConstraint("kind in ('replay', 'discard')", name="quarantine_decision_kind"),
    sqlite_autoincrement=True,
)

audit_log = sa.Table(
    "audit_log",
    metadata,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", sa.DateTime, nullable=False),
    sa.Column("actor", sa.String(200), nullable=False),
    sa.Column("action", sa.String(100), nullable=False),
    sa.Column("subject", sa.String(500), nullable=False),
    sa.Column("details", sa.JSON(none_as_null=True), nullable=False),
    sa.Column("previous_hash", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)

# The chain's end as it was last written: without it, entries cut off the end would leave a shorter chain that is whole.
audit_head = sa.Table(
    "audit_head",
    metadata,
    sa.Column("chain", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)

# Which linkage model was chosen, by whom and why; the latest one counts. Nothing is edited: going back is a new row.
model_promotions = sa.Table(
    "model_promotions",
    metadata,
    sa.Column("promotion_id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("version", sa.String(64), nullable=False),
    sa.Column("previous_version", sa.String(64)),
    sa.Column("reason", sa.Text, nullable=False),
    # The newest load date that the warehouse held then: runs of older days keep to the model of their time.
    sa.Column("since", sa.Date),
    sa.Column("decided_by", sa.String(200), nullable=False),
    sa.Column("decided_at", sa.DateTime, nullable=False),
    sqlite_autoincrement=True,
)

# The first day that was resolved with a promoted model, so that a replay of landing changes models on the same day.
model_uses = sa.Table(
    "model_uses",
    metadata,
    sa.Column("promotion_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("load_date", sa.Date, nullable=False),
    sa.Column("noted_at", sa.DateTime, nullable=False),
)

consent_decisions = sa.Table(
    "consent_decisions",
    metadata,
    # One row per record, purpose and channel that a person's answer was entered for: an answer given as a customer is
    # attached to every record that the customer had at that moment, so that it follows each of them through merges and
    # splits.
    sa.Column("decision_id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("record_id", sa.String(500), nullable=False),
    # The customer that was named or found; tells why records share an answer. Null when one record was named.
    sa.Column("customer_id", sa.String(100)),
    sa.Column("purpose", sa.String(100), nullable=False),
    sa.Column("channel", sa.String(100), nullable=False),
    sa.Column("status", sa.String(20), nullable=False),
    sa.Column("legal_basis", sa.String(50), nullable=False),
    # How the answer reached us: phone, letter, store.
    sa.Column("method", sa.String(100), nullable=False),
    sa.Column("reason", sa.Text),
    # When the person answered; entered at decided_at.
    sa.Column("occurred_at", sa.DateTime, nullable=False),
    sa.Column("decided_by", sa.String(200), nullable=False),
    sa.Column("decided_at", sa.DateTime, nullable=False),
    sa.CheckConstraint("status in ('granted', 'withdrawn')", name="consent_decision_status"),
    sqlite_autoincrement=True,
)

restriction_decisions = sa.Table(
    "restriction_decisions",
    metadata,
    # One row per record and purpose (or 'all') that was restricted (GDPR articles 18 and 21) or released.
    sa.Column("decision_id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("record_id", sa.String(500), nullable=False),
    sa.Column("customer_id", sa.String(100)),
    sa.Column("purpose", sa.String(100), nullable=False),
    sa.Column("status", sa.String(20), nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("decided_by", sa.String(200), nullable=False),
    sa.Column("decided_at", sa.DateTime, nullable=False),
    sa.CheckConstraint("status in ('restricted', 'lifted')", name="restriction_decision_status"),
    sqlite_autoincrement=True,
)

# One row per request of a person (erasure, access) or of retention. Its state follows from its steps.
privacy_requests = sa.Table(
    "privacy_requests",
    metadata,
    sa.Column("request_id", sa.String(40), primary_key=True),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("requested_at", sa.DateTime, nullable=False),
    sa.Column("requested_by", sa.String(200), nullable=False),
    sa.Column("people", sa.Integer, nullable=False),
    # What the people were named by, as keyed hashes: enough to know them again when they are named again.
    sa.Column("selectors", sa.JSON(none_as_null=True), nullable=False),
)

# One row per step of a request that was done; `details` has counts, never values.
privacy_steps = sa.Table(
    "privacy_steps",
    metadata,
    sa.Column("step_id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("request_id", sa.String(40), sa.ForeignKey("privacy_requests.request_id"), nullable=False),
    sa.Column("step", sa.String(40), nullable=False),
    sa.Column("done_at", sa.DateTime, nullable=False),
    sa.Column("details", sa.JSON(none_as_null=True), nullable=False),
    sqlite_autoincrement=True,
)

# One row per erased person. The nonce keeps equal values of two people apart in `tombstone_fields`.
tombstones = sa.Table(
    "tombstones",
    metadata,
    sa.Column("tombstone_id", sa.String(40), primary_key=True),
    sa.Column("request_id", sa.String(40), nullable=False),
    sa.Column("nonce", sa.String(32), nullable=False),
    sa.Column("made_at", sa.DateTime, nullable=False),
    # Says which key the hashes were made with, and nothing of it.
    sa.Column("key_check", sa.String(16), nullable=False),
)

# Hashes by which a returning person may be found: identifiers and combinations of fields.
tombstone_keys = sa.Table(
    "tombstone_keys",
    metadata,
    sa.Column("tombstone_id", sa.String(40), nullable=False, index=True),
    sa.Column("kind", sa.String(30), nullable=False),
    sa.Column("hash", sa.String(32), nullable=False),
)

# Hashes by which a found row is judged, each person's under their own nonce.
tombstone_fields = sa.Table(
    "tombstone_fields",
    metadata,
    sa.Column("tombstone_id", sa.String(40), nullable=False, index=True),
    sa.Column("field", sa.String(30), nullable=False),
    sa.Column("hash", sa.String(32), nullable=False),
)

# One row per tombstone that no longer holds anybody back: the person has come back of their own will.
tombstone_lifts = sa.Table(
    "tombstone_lifts",
    metadata,
    sa.Column("tombstone_id", sa.String(40), primary_key=True),
    sa.Column("lifted_at", sa.DateTime, nullable=False),
    sa.Column("lifted_by", sa.String(200), nullable=False),
)

# How many rows of a landed file were held back and removed from it; `content_hash` is of the file as it then was.
suppressions = sa.Table(
    "suppressions",
    metadata,
    sa.Column("suppression_id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("table_name", sa.String(200), nullable=False),
    sa.Column("load_date", sa.Date, nullable=False),
    sa.Column("file", sa.String(1000), nullable=False),
    sa.Column("content_hash", sa.String(64), nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("suppressed_at", sa.DateTime, nullable=False),
    sqlite_autoincrement=True,
)

match_judgements = sa.Table(
    "match_judgements",
    metadata,
    # One row per decision about a pair of records, or per undoing of one; nothing is edited. The pair's smaller record
    # id stands left. The living verdict of a pair is the last one that was not undone.
    sa.Column("judgement_id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("record_id_l", sa.String(500), nullable=False),
    sa.Column("record_id_r", sa.String(500), nullable=False),
    sa.Column("verdict", sa.String(20), nullable=False),
    # Of an entry `undone`: the entry that it takes back.
    sa.Column("undoes", sa.Integer),
    sa.Column("decided_by", sa.String(200), nullable=False),
    sa.Column("decided_at", sa.DateTime, nullable=False),
    sa.Column("reason", sa.Text),
    # The customers of both records when it was decided, for whoever reads it later; null when there were none yet.
    sa.Column("customer_id_l", sa.String(100)),
    sa.Column("customer_id_r", sa.String(100)),
    sa.CheckConstraint(
        "verdict in ('must_link', 'cannot_link', 'unsure') and undoes is null or verdict = 'undone' and undoes is not null",
        name="match_judgement_verdict",
    ),
    sqlite_autoincrement=True,
)

# The newest load date of the records when a run first took an entry of match_judgements into account. A warehouse that is
# rebuilt day by day takes it into account from that day on, so that ids which lived before it are given again.
match_judgement_uses = sa.Table(
    "match_judgement_uses",
    metadata,
    sa.Column("judgement_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("load_date", sa.Date, nullable=False),
    sa.Column("noted_at", sa.DateTime, nullable=False),
)

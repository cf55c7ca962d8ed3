"""The tables, as the code reads and writes them. `migrations/` makes them; a check proves that both say the same."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    desc,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

SERVICE_ROLE = "pbx112_service"
"""The role the service works with: it may add to the journal and the audit, and never change or empty them."""

CALLS_CHANNEL = "pbx112_calls"
"""NOTIFY channel that wakes whoever shows calls."""

NAME_PATTERN = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$"

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_TIME = DateTime(timezone=True)
_REACHED = text("answered_at IS NOT NULL AND NOT drill")
OPEN_TRANSFERS = text("""transfers @> '[{"ended_at": null}]'""")
"""Calls with a transfer in which somebody may still be."""
_NO_MARKS = """'{"priority": null, "resource_priority": [], "additional_data": [], "forwarded_by": []}'"""


def _now(name: str) -> Column[object]:
    return Column(name, _TIME, nullable=False, server_default=func.now())


def _id() -> Column[int]:
    return Column("id", BigInteger, Identity(always=True), primary_key=True)


def _name(*, key: bool = False) -> Column[str]:
    rule = CheckConstraint(f"name ~ '{NAME_PATTERN}'", name="name")
    return Column("name", Text, rule, primary_key=key, nullable=False)


# --- what happened: Asterisk's journal and what is folded from it ---------------------------------------------------

events = Table(
    "events",
    metadata,
    _id(),
    Column("node", Text, nullable=False),
    Column("at", _TIME, nullable=False),
    Column("kind", Text, nullable=False),
    Column("linked_id", Text, nullable=False),
    Column("unique_id", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("file_id", Text, nullable=False),
    Column("file_offset", BigInteger, nullable=False),
    Column("body", JSONB, nullable=False),
    # A line counts once, whoever reads it how often.
    UniqueConstraint("node", "file_id", "file_offset"),
    Index(None, "node", "linked_id"),
)

calls = Table(
    "calls",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("node", Text, nullable=False),
    Column("linkedid", Text, nullable=False),
    Column("sip_call_id", Text),
    Column("trunk", Text),
    Column("direction", Text, nullable=False),
    Column("service", Text, nullable=False),
    Column("drill", Boolean, nullable=False),
    Column("caller", JSONB, nullable=False),
    Column("caller_class", Text, nullable=False),
    Column("number", Text),
    Column("intake", Text, nullable=False),
    Column("queue", Text),
    Column("priority", Integer),
    Column("state", Text, nullable=False),
    Column("outcome", Text),
    Column("operator", Text),
    Column("received_at", _TIME, nullable=False),
    Column("queued_at", _TIME),
    Column("answered_at", _TIME),
    Column("ended_at", _TIME),
    Column("wait_ms", BigInteger),
    Column("talk_ms", BigInteger),
    Column("hangup_cause", Integer),
    Column("hangup_by", Text),
    Column("offers", JSONB, nullable=False),
    Column("location", JSONB, nullable=False, server_default="[]"),
    Column("marks", JSONB, nullable=False, server_default=text(_NO_MARKS)),
    Column("reordered", JSONB(none_as_null=True)),
    Column("silent_checks", JSONB, nullable=False, server_default="[]"),
    Column("overflows", JSONB, nullable=False, server_default="[]"),
    Column("transfers", JSONB, nullable=False, server_default="[]"),
    Column("recordings", JSONB, nullable=False, server_default="[]"),
    Column("callback_of", Uuid),
    # By these a caller is known again; `domain/caller.py` says what they hold.
    Column("number_key", Text),
    Column("imei_key", Text),
    UniqueConstraint("node", "linkedid"),
    # "Exactly one outcome for a call that has ended" is a promise to auditors, so the database keeps it too.
    CheckConstraint("(state = 'ended') = (outcome IS NOT NULL)", name="outcome_iff_ended"),
    Index("ix_calls_received_at_id", desc("received_at"), desc("id")),
    Index(None, "number"),
    Index(None, "state"),
    Index(None, "operator"),
    Index(None, "number_key", "received_at"),
    Index(None, "imei_key", "received_at"),
    Index(None, "callback_of"),
    Index("ix_calls_open_transfers", "node", postgresql_where=OPEN_TRANSFERS),
    Index("ix_calls_reached_number", "number_key", "answered_at", postgresql_where=_REACHED),
    Index("ix_calls_reached_imei", "imei_key", "answered_at", postgresql_where=_REACHED),
)

call_annotations = Table(
    "call_annotations",
    metadata,
    Column("call_id", Uuid, ForeignKey("calls.id"), primary_key=True),
    Column("category", Text),
    Column("notes", Text),
    Column("disposition", Text),
    Column("version", Integer, nullable=False),
    Column("updated_by", Text, nullable=False),
    _now("updated_at"),
)

recordings = Table(
    "recordings",
    metadata,
    # The files of ended calls, and what was found of each when it was looked at; `due_at` says when that is.
    Column("call_id", Uuid, ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
    Column("file", Text, primary_key=True),
    Column("node", Text, nullable=False),
    Column("kind", Text, CheckConstraint("kind IN ('caller', 'briefing')", name="kind"), nullable=False),
    Column("started_at", _TIME, nullable=False),
    Column("ended_at", _TIME),
    Column("due_at", _TIME, nullable=False),
    Column("expected_ms", BigInteger),
    Column("bytes", BigInteger),
    Column("duration_ms", BigInteger),
    Column("sha256", Text, CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name="sha256")),
    Column("state", Text, CheckConstraint("state IN ('ok', 'missing', 'short')", name="state")),
    Column("checked_at", _TIME),
    CheckConstraint("(state IS NULL) = (checked_at IS NULL)", name="checked"),
    Index("ix_recordings_due", "node", "due_at", postgresql_where=text("checked_at IS NULL")),
    Index("ix_recordings_checked", "node", "checked_at", postgresql_where=text("checked_at IS NOT NULL")),
)

abandoned = Table(
    "abandoned",
    metadata,
    # The calls that ended without an operator, until somebody has reached the caller or closed the case.
    Column("call_id", Uuid, ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
    Column("received_at", _TIME, nullable=False),
    Column("number_key", Text),
    Column("imei_key", Text),
    Column("closed_at", _TIME),
    Column("closed_by", Text),
    Column("result", Text),
    Column("note", Text),
    Index("ix_abandoned_open", "received_at", postgresql_where=text("closed_at IS NULL")),
    Index("ix_abandoned_open_number_key", "number_key", postgresql_where=text("closed_at IS NULL")),
    Index("ix_abandoned_open_imei_key", "imei_key", postgresql_where=text("closed_at IS NULL")),
)

callbacks = Table(
    "callbacks",
    metadata,
    # One row an attempt, written before Asterisk is asked; who holds the lease is the newest row's operator.
    Column("id", Uuid, primary_key=True),
    Column("call_id", Uuid, ForeignKey("calls.id"), nullable=False),
    Column("operator", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("trunk", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    _now("requested_at"),
    Column("lease_until", _TIME, nullable=False),
    Column("state", Text, nullable=False),
    Index(None, "call_id", "requested_at"),
)

transfer_commands = Table(
    "transfer_commands",
    metadata,
    # One row a command from a desk, written before Asterisk is asked. `seen` is the transfer's state at that time.
    Column("id", Uuid, primary_key=True),
    Column("call_id", Uuid, ForeignKey("calls.id"), nullable=False),
    Column("transfer_id", Uuid, nullable=False),
    Column(
        "move",
        Text,
        CheckConstraint("move IN ('start', 'conference', 'complete', 'cancel')", name="move"),
        nullable=False,
    ),
    Column("agency", Text),
    Column("mode", Text),
    Column("operator", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    _now("requested_at"),
    Column("key", Text),
    Column("seen", Text),
    Column(
        "state",
        Text,
        CheckConstraint("state IN ('requested', 'sent', 'refused', 'not_sent', 'unknown')", name="state"),
        nullable=False,
    ),
    Column("error", Text),
    Column("told", Text),
    Index(None, "call_id", "requested_at"),
    Index("uq_transfer_commands_key", "call_id", "requested_by", "key", unique=True),
)

cells = Table(
    "cells",
    metadata,
    Column("mcc", Text, primary_key=True),
    Column("mnc", Text, primary_key=True),
    Column("tac", BigInteger, primary_key=True),
    Column("cell_id", BigInteger, primary_key=True),
    Column("lat", Double, nullable=False),
    Column("lon", Double, nullable=False),
    Column("radius_m", Double),
    Column("name", Text),
)

rules = Table(
    "rules",
    metadata,
    # What an admin decides beside Asterisk's configuration; one row.
    Column("one", Boolean, CheckConstraint("one", name="one_row"), primary_key=True, server_default="true"),
    Column("version", BigInteger, nullable=False),
    Column("body", JSONB, nullable=False),
)

# --- the journal's reader ------------------------------------------------------------------------------------------

journal_position = Table(
    "journal_position",
    metadata,
    Column("node", Text, primary_key=True),
    Column("file_id", Text),
    Column("name", Text),
    Column("inode", BigInteger),
    Column("offset", BigInteger, nullable=False, server_default="0"),
    Column("last_at", _TIME),
    # Grows with every transaction that adds events of this node, whoever made it: a reader whose memory has another
    # number was overtaken and loads everything again.
    Column("turn", BigInteger, nullable=False, server_default="0"),
    # How far Asterisk's channels are counted, and the place up to which that is so: code that does not know this column
    # moves the place alone, and what stands here is then of no worth.
    Column("channels", JSONB(none_as_null=True)),
    _now("updated"),
)

journal_gaps = Table(
    "journal_gaps",
    metadata,
    _id(),
    Column("node", Text, nullable=False),
    Column("from", _TIME),
    Column("until", _TIME),
    Column("reason", Text, nullable=False),
    _now("noticed_at"),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    _id(),
    Column("node", Text, nullable=False),
    Column("file_id", Text, nullable=False),
    Column("file_name", Text, nullable=False),
    Column("file_offset", BigInteger, nullable=False),
    Column("length", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    _now("at"),
    UniqueConstraint("node", "file_id", "file_offset"),
)

# --- what a centre configures --------------------------------------------------------------------------------------

queues = Table(
    "queues",
    metadata,
    _name(key=True),
    Column("position", Integer, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("strategy", Text, nullable=False),
    Column("ring_seconds", Integer, CheckConstraint("ring_seconds > 0", name="ring_seconds"), nullable=False),
    Column("retry_seconds", Integer, CheckConstraint("retry_seconds >= 0", name="retry_seconds"), nullable=False),
    Column("wrapup_seconds", Integer, CheckConstraint("wrapup_seconds >= 0", name="wrapup_seconds"), nullable=False),
    Column("answer_mode", Text, nullable=False),
    Column(
        "answer_after_seconds",
        Integer,
        CheckConstraint("answer_after_seconds >= 0", name="answer_after_seconds"),
        nullable=False,
    ),
    Column("priority", Integer, nullable=False),
    Column("language", Text, nullable=False),
    Column("overflow", ARRAY(Text), nullable=False),
    Column("service_level_seconds", Integer, nullable=False),
    Column("silent_wait_seconds", Integer, nullable=False, server_default="6"),
    Column("silent_repeats", Integer, nullable=False, server_default="2"),
    Column("skill", Text),
    Column("widening", JSONB, nullable=False, server_default="[]"),
    Column("tiers", JSONB, nullable=False, server_default="[]"),
    Column("missed_offers", Integer, nullable=False, server_default="0"),
    Column("comfort", Text, nullable=False, server_default=""),
    Column("recording", Boolean, nullable=False, server_default="false"),
)

trunks = Table(
    "trunks",
    metadata,
    _name(key=True),
    Column("position", Integer, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("sources", ARRAY(Text), nullable=False),
    Column("trusted", Boolean, nullable=False),
    Column("number_format", Text, nullable=False),
    Column("pseudo_patterns", ARRAY(Text), nullable=False),
    Column("drill", Boolean, nullable=False),
    Column("from_trusted", Boolean, nullable=False, server_default="false"),
    Column("outbound", Text),
)

operators = Table(
    "operators",
    metadata,
    _name(key=True),
    Column("position", Integer, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("extension", Text, nullable=False, unique=True),
    Column("language", Text, nullable=False),
    Column("skills", JSONB, nullable=False, server_default="[]"),
    Column("supervisor", Boolean, nullable=False, server_default="false"),
)

memberships = Table(
    "memberships",
    metadata,
    Column("operator", Text, ForeignKey("operators.name"), primary_key=True),
    Column("queue", Text, ForeignKey("queues.name"), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("penalty", SmallInteger, CheckConstraint("penalty >= 0", name="penalty"), nullable=False),
)

agencies = Table(
    "agencies",
    metadata,
    _name(key=True),
    Column("position", Integer, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("code", Text, nullable=False, server_default=""),
    Column("ring_seconds", Integer, nullable=False, server_default="20"),
    Column("confirm", Boolean, nullable=False, server_default="false"),
    Column("blind", Boolean, nullable=False, server_default="false"),
)

agency_lines = Table(
    "agency_lines",
    metadata,
    # An account, or a number and its trunk.
    Column("name", Text, CheckConstraint("length(name) BETWEEN 1 AND 60", name="name"), primary_key=True),
    Column("agency", Text, ForeignKey("agencies.name"), nullable=False),
    Column("position", Integer, nullable=False),
)

configuration = Table(
    "configuration",
    metadata,
    Column("one", Boolean, CheckConstraint("one", name="one_row"), primary_key=True, server_default="true"),
    Column("version", BigInteger, nullable=False),
    Column("default_queue", Text, ForeignKey("queues.name"), nullable=False),
    Column("surge", Boolean, nullable=False, server_default="false"),
)

entry_rules = Table(
    "entry_rules",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=False),
    # Gone with what they name: code of before saves a configuration without knowing them.
    Column("queue", Text, ForeignKey("queues.name", ondelete="CASCADE"), nullable=False),
    Column("trunk", Text, ForeignKey("trunks.name", ondelete="CASCADE")),
    Column("dialled", Text),
    Column("service", Text),
    Column("language", Text),
    Column("priority", Integer, CheckConstraint("priority BETWEEN -100 AND 100", name="priority")),
)

calendars = Table(
    "calendars",
    metadata,
    _name(key=True),
    Column("position", Integer, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("shifts", JSONB, CheckConstraint("jsonb_typeof(shifts) = 'array'", name="shifts"), nullable=False),
)

configuration_versions = Table(
    "configuration_versions",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("who", Text, nullable=False),
    _now("at"),
    Column("body", JSONB, nullable=False),
)

configuration_applications = Table(
    "configuration_applications",
    metadata,
    # One row each time that a node tried to make a version Asterisk's; the newest applied one is what it runs with.
    _id(),
    Column("version", BigInteger, ForeignKey("configuration_versions.id"), nullable=False),
    Column("node", Text, nullable=False),
    Column("who", Text, nullable=False),
    _now("at"),
    Column("state", Text, CheckConstraint("state IN ('applied', 'failed')", name="state"), nullable=False),
    Column("told", JSONB, nullable=False),
    Index(None, "node", "id"),
)

prompts = Table(
    "prompts",
    metadata,
    # A centre's own sounds for waiting callers, as they are played; each upload is a version.
    _id(),
    Column("name", Text, CheckConstraint("name ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$'", name="name"), nullable=False),
    Column("language", Text, CheckConstraint("language IN ('id', 'en')", name="language"), nullable=False),
    Column("version", Integer, CheckConstraint("version > 0", name="version"), nullable=False),
    Column("who", Text, nullable=False),
    _now("at"),
    Column("sha256", LargeBinary, CheckConstraint("sha256 = sha256(wav)", name="sha256"), nullable=False),
    Column("duration_ms", Integer, nullable=False),
    Column("file_name", Text, CheckConstraint("length(file_name) <= 120", name="file_name"), nullable=False),
    Column("wav", LargeBinary, nullable=False),
    UniqueConstraint("name", "language", "version"),
)

prompt_uses = Table(
    "prompt_uses",
    metadata,
    # The newest row of a name and language says which version callers hear.
    _id(),
    Column("name", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("who", Text, nullable=False),
    _now("at"),
    ForeignKeyConstraint(["name", "language", "version"], ["prompts.name", "prompts.language", "prompts.version"]),
    Index("ix_prompt_uses_name_language_id", "name", "language", "id"),
)

# --- people --------------------------------------------------------------------------------------------------------

users = Table(
    "users",
    metadata,
    _name(key=True),
    Column(
        "role",
        Text,
        CheckConstraint("role IN ('operator', 'supervisor', 'admin', 'auditor')", name="role"),
        nullable=False,
    ),
    Column("password_hash", Text, nullable=False),
    # Names the operator account; no foreign key, because saving a configuration replaces those rows.
    Column("operator", Text),
    _now("created_at"),
    Column("disabled", Boolean, nullable=False, server_default="false"),
    # Tokens of an earlier epoch are void. It only ever grows, over a removal of the name too.
    Column("token_epoch", BigInteger, nullable=False, server_default="0"),
)

api_tokens = Table(
    "api_tokens",
    metadata,
    _id(),
    _name(),
    Column(
        "role",
        Text,
        CheckConstraint("role IN ('operator', 'supervisor', 'admin', 'auditor')", name="role"),
        nullable=False,
    ),
    Column("hash", LargeBinary, nullable=False, unique=True),
    Column("hint", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    _now("created_at"),
    Column("expires_at", _TIME),
    Column("revoked_at", _TIME),
    Column("last_used_at", _TIME),
)

audit = Table(
    "audit",
    metadata,
    _id(),
    _now("at"),
    Column("who", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("before", JSONB(none_as_null=True)),
    Column("after", JSONB(none_as_null=True)),
    Index(None, "at"),
)

audit_chain = Table(
    "audit_chain",
    metadata,
    # Written by the database itself, as a transaction that added to the audit commits; the service reads it only.
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("audit_id", BigInteger, nullable=False, unique=True),
    Column("prev_hash", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)

APPEND_ONLY = (
    events,
    audit,
    dead_letters,
    journal_gaps,
    configuration_versions,
    configuration_applications,
    prompts,
    prompt_uses,
)
"""Tables the service may only read and add to."""

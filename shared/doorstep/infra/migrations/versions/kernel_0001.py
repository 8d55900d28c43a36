"""The tables every service has."""

from alembic import op

revision = "kernel_0001"
down_revision = None
branch_labels = ("kernel",)
depends_on = None


def upgrade() -> None:
    """Store, inbox, outbox, effects, parking."""
    for statement in _TABLES:
        op.execute(statement)


_TABLES = (
    # A store's epoch enters every event id: a restored database gets a new one.
    "create table store (single boolean primary key default true check (single), epoch text not null)",
    """create table events (
        stream text not null,
        version int not null,
        event_id text not null,
        type text not null,
        value bytea not null,
        primary key (stream, version))""",
    # The folded state beside its stream: one read instead of many. It can always be made again from events.
    """create table streams (
        stream text primary key,
        category text not null,
        id text not null,
        key text not null,
        tenant text not null,
        version int not null,
        fold text not null,
        state bytea not null,
        wake_at timestamptz,
        correlation_id text not null,
        traceparent text) with (fillfactor = 70)""",
    "create index streams_wake on streams (wake_at, stream) where wake_at is not null",
    """create table inbox (
        consumer text not null,
        message_id text not null,
        primary key (consumer, message_id))""",
    """create table outbox (
        position bigint generated always as identity primary key,
        topic text not null,
        key text not null,
        value bytea not null)""",
    """create table effects (
        position bigint generated always as identity primary key,
        effect_key text not null unique,
        kind text not null,
        stream text not null,
        key text not null,
        due timestamptz not null,
        attempts int not null default 0,
        called_at timestamptz,
        done_at timestamptz,
        traceparent text)""",
    "create index effects_due on effects (due, effect_key) where done_at is null",
    """create table attempts (
        topic text not null,
        partition int not null,
        "offset" bigint not null,
        tries int not null,
        primary key (topic, partition, "offset"))""",
    """create table parked (
        id bigint generated always as identity primary key,
        topic text not null,
        partition int not null,
        "offset" bigint not null,
        key text not null,
        case_id text,
        sealed bytea not null,
        reason text not null,
        behind bigint,
        parked_at timestamptz not null,
        status text not null default 'waiting' check (status in ('waiting', 'replayed', 'discarded')),
        closed_by text,
        closed_reason text,
        unique (topic, partition, "offset"))""",
    "create index parked_waiting on parked (key, id) where status = 'waiting'",
    "create index parked_case on parked (case_id) where status = 'waiting'",
    # Processes that run, or ended without saying so: after a crash messages are handled with care.
    "create table running (instance text primary key)",
    # Cases in which nothing may be sent, because something of theirs is parked somewhere.
    """create table suspended (
        case_id text not null,
        by text not null,
        key text not null,
        primary key (case_id, by, key))""",
)

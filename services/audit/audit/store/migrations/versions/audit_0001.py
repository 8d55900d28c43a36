"""The entries: what was heard, byte for byte, never changed."""

from alembic import op

revision = "audit_0001"
down_revision = None
branch_labels = ("audit",)
depends_on = "kernel_0001"


def upgrade() -> None:
    """One table that only grows."""
    for statement in _STATEMENTS:
        op.execute(statement)


_STATEMENTS = (
    """create table entry (
        position bigint generated always as identity primary key,
        topic text not null,
        partition int not null,
        "offset" bigint not null,
        event_id text,
        case_id text,
        tenant text,
        type text not null,
        stream text,
        stream_version int,
        occurred_at timestamptz,
        recorded_at timestamptz,
        absorbed_at timestamptz not null,
        value bytea not null)""",
    # The same bytes twice are one entry. Other bytes under a known id are a second one: that is evidence.
    "create unique index entry_event on entry (event_id, sha256(value)) where event_id is not null",
    """create unique index entry_undecodable on entry (topic, partition, "offset") where event_id is null""",
    "create index entry_case on entry (case_id, position)",
    """create function refuse_change() returns trigger language plpgsql as $$
        begin
            raise exception 'entries are never changed: % refused', tg_op using errcode = '42501';
        end $$""",
    # For each statement, so that it refuses even what would touch no row, and TRUNCATE.
    """create trigger entry_append_only before update or delete or truncate on entry
        for each statement execute function refuse_change()""",
    # Also under session_replication_role = replica, which skips ordinary triggers.
    "alter table entry enable always trigger entry_append_only",
    # Who owns the table could grant this to itself again; the trigger stands behind it.
    "revoke update, delete, truncate, trigger on entry from public, current_user",
    """do $$ begin
        if exists (select from pg_roles where rolname = 'doorstep_audit') then
            revoke update, delete, truncate, trigger on entry from doorstep_audit;
        end if;
    end $$""",
)

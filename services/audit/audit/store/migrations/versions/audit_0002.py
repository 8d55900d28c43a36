"""The entries numbered for the log, and what the audit knows about them."""

from alembic import op

revision = "audit_0002"
down_revision = "audit_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The table is made anew, because nothing may change in the old one; no log exists before this release."""
    for statement in _STATEMENTS:
        op.execute(statement)


_STATEMENTS = (
    "alter table entry rename to entry_before",
    "alter index entry_event rename to entry_before_event",
    "alter index entry_undecodable rename to entry_before_undecodable",
    "alter index entry_case rename to entry_before_case",
    "alter index entry_pkey rename to entry_before_pkey",
    # `position` is the leaf's index in the log: from 0, without a gap, in the order of commits.
    """create table entry (
        position bigint primary key,
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
    # A row over 2 KB would have its value compressed or kept apart, and its case read so much slower.
    "alter table entry set (toast_tuple_target = 8160)",
    """insert into entry
        select row_number() over (order by position) - 1, topic, partition, "offset", event_id, case_id, tenant, type,
               stream, stream_version, occurred_at, recorded_at, absorbed_at, value
        from entry_before where type <> 'doorstep.log.checkpoint-signed'""",
    "drop table entry_before",
    # The same bytes twice are one entry. Other bytes under a known id are a second one: that is evidence.
    "create unique index entry_event on entry (event_id, sha256(value)) where event_id is not null",
    """create unique index entry_undecodable on entry (topic, partition, "offset") where event_id is null""",
    "create index entry_case on entry (case_id, position)",
    "create index entry_stream on entry (stream, stream_version)",
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
    # How many numbers of each stream are here: fewer than the highest means that some are missing.
    """create table stream_seen (
        stream text primary key,
        case_id text not null,
        tenant text not null,
        highest int not null,
        known int not null)""",
    """insert into stream_seen
        select stream, min(case_id), min(tenant), max(stream_version), count(distinct stream_version)
        from entry where stream_version > 0 group by stream""",
    "create index stream_incomplete on stream_seen (stream) where known < highest",
    # What became of each case, for the retention.
    """create index entry_fate on entry (case_id, recorded_at)
        where type in ('doorstep.case.opened', 'doorstep.case.cured', 'doorstep.erasure.ordered')""",
    # The few entries that tell of disputes, among all.
    "create index entry_dispute on entry (position) where type like 'doorstep.dispute.%'",
    # How many entries the conformance monitor has judged, and which cases a telephone number (its token) goes with.
    "create table conformance (judged bigint not null)",
    "insert into conformance values (0)",
    """create table conformance_number (
        token text not null,
        case_id text not null,
        primary key (token, case_id))""",
    "create index entry_violation on entry (position) where type = 'doorstep.violation.found'",
    """create index entry_permitted on entry (tenant, recorded_at)
        where type in ('doorstep.contact.permitted', 'doorstep.visit.permitted')""",
)

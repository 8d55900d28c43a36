"""Visits, agents and the diary."""

from alembic import op

revision = "visits_0001"
down_revision = None
branch_labels = ("visits",)
depends_on = "kernel_0001"


def upgrade() -> None:
    """No agent begins two visits at once: a plan that would have it so fails its transaction."""
    op.execute(
        """create table visit (
            visit_id text primary key,
            case_id text not null,
            tenant text not null,
            status text not null,
            starts timestamptz,
            ends timestamptz,
            collectors jsonb,
            reason text,
            remark text)"""
    )
    op.execute("create index visit_case on visit (case_id)")
    op.execute(
        """create table agent (
            agent_id text primary key,
            tenant text not null,
            agency text not null,
            certified_until date not null,
            languages text[] not null,
            regions text[] not null,
            active boolean not null)"""
    )
    op.execute(
        """create table booking (
            visit_id text not null,
            agent_id text not null,
            starts timestamptz not null,
            ends timestamptz not null,
            released boolean not null default false,
            primary key (visit_id, agent_id))"""
    )
    op.execute("create unique index booking_once on booking (agent_id, starts) where not released")
    op.execute("create index booking_starts on booking (starts) where not released")

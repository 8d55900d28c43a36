"""Calls and leadership that are held for a time, by PostgreSQL's clock."""

from alembic import op

revision = "kernel_0004"
down_revision = "kernel_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """`claim` counts how often an effect was taken; until `leased_until` nobody else takes it. `heartbeat` says which
    connection holds a role, and since when nothing was heard of it."""
    op.execute("alter table effects add claim bigint not null default 0, add leased_until timestamptz")
    op.execute("drop index effects_due")
    op.execute("create index effects_due on effects (kind, due, effect_key) where done_at is null")
    op.execute("create table heartbeat (role text primary key, pid int not null, beaten_at timestamptz not null)")

"""What is due in suspended cases is laid aside."""

from alembic import op

revision = "kernel_0008"
down_revision = "kernel_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """`held`: found due while its case was suspended, and nothing of the case was released since. What is held already
    is found so, a batch at each turn."""
    for statement in _STATEMENTS:
        op.execute(statement)


_STATEMENTS = (
    "alter table streams add held boolean not null default false",
    "alter table effects add held boolean not null default false",
    "drop index streams_wake",
    "create index streams_wake on streams (wake_at, stream) where wake_at is not null and not held",
    "create index streams_held on streams (key) where held",
    "drop index effects_due",
    "create index effects_due on effects (kind, due, effect_key) where done_at is null and not held",
    "create index effects_held on effects (key) where held",
    # How many wait, and since when, without reading them.
    "create index parked_since on parked (parked_at) where status = 'waiting'",
)

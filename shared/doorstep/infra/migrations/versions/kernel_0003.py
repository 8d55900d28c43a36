"""What counts across streams."""

from alembic import op

revision = "kernel_0003"
down_revision = "kernel_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One row per tally: a fold over the events of many streams, to be locked and changed with them."""
    op.execute("create table tally (name text primary key, state bytea not null)")

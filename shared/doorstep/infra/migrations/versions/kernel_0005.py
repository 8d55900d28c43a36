"""Which process has a message in hand, and how many died of it."""

from alembic import op

revision = "kernel_0005"
down_revision = "kernel_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """`deaths` in place of `tries`, which counted whatever happened while a message was in hand; a process of an older
    release still writes those."""
    op.execute(
        "alter table attempts add holder text, add deaths int not null default 0, alter column tries set default 0"
    )

"""What shows that Kafka has lost the order or a message: partitions as first seen, and what each stream said last."""

from alembic import op

revision = "kernel_0009"
down_revision = "kernel_0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A key stays in its partition only as long as the number of partitions stays. `said`, by topic and key: an event
    names the one before it, and a reader of one topic sees that one is missing."""
    op.execute("create table topic_partitions (topic text primary key, partitions int not null)")
    op.execute("alter table streams add said jsonb not null default '{}'")

"""What collectors have to do at the door, and the one agency that may go."""

from alembic import op

revision = "visits_0002"
down_revision = "visits_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Visits of before have no duties, and any agency may go."""
    op.execute("alter table visit add column duties text[] not null default '{}', add column agency text")

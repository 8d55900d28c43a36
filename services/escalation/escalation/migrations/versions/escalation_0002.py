"""Where each decision stands among the events, and which cases wait for a person."""

from alembic import op

revision = "escalation_0002"
down_revision = "escalation_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One row per decision, one per review."""
    op.execute("create table decision (decision_id text primary key, stream text not null, version int not null)")
    op.execute(
        """create table review (
            tenant text not null,
            case_id text not null,
            review_id text not null,
            about text not null,
            requested_at timestamptz not null,
            primary key (case_id, review_id))"""
    )

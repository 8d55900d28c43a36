"""Permits of which nobody has said what became of them."""

from alembic import op

revision = "escalation_0004"
down_revision = "escalation_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One row for each that has lapsed, until its executor says more."""
    op.execute(
        """create table lapsed_permit (
            permit_id text primary key,
            tenant text not null,
            case_id text not null,
            kind text not null,
            lapsed_at timestamptz not null)"""
    )

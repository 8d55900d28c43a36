"""Which case a loan belongs to."""

from alembic import op

revision = "escalation_0001"
down_revision = None
branch_labels = ("escalation",)
depends_on = "kernel_0001"


def upgrade() -> None:
    """One row per loan."""
    op.execute(
        """create table loan (
            tenant text not null,
            loan_id text not null,
            case_id text not null,
            primary key (tenant, loan_id))"""
    )

"""Whoever reads for one tenant finds no loans, decisions, permits and reviews of others."""

from alembic import op

revision = "escalation_0005"
down_revision = "escalation_0004"
branch_labels = None
depends_on = "kernel_0007"
VISIBLE = "(select every_tenant_visible()) or tenant_visible(tenant)"


def upgrade() -> None:
    """See kernel_0007."""
    for table in ("loan", "review", "lapsed_permit"):
        op.execute(f"create policy of_tenant on {table} using ({VISIBLE})")
    op.execute(
        """create policy of_tenant on decision using (
            (select every_tenant_visible()) or exists (select from streams s where s.stream = decision.stream))"""
    )
    for table in ("loan", "review", "lapsed_permit", "decision"):
        op.execute(f"alter table {table} enable row level security, force row level security")

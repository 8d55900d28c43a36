"""Whoever reads for one tenant finds no contacts of others."""

from alembic import op

revision = "reminder_0002"
down_revision = "reminder_0001"
branch_labels = None
depends_on = "kernel_0007"


def upgrade() -> None:
    """See kernel_0007."""
    op.execute("create policy of_tenant on contact using (tenant_visible(tenant))")
    op.execute("alter table contact enable row level security, force row level security")

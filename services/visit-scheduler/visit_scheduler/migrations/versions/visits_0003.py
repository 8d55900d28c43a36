"""Whoever reads for one tenant finds no visits and agents of others."""

from alembic import op

revision = "visits_0003"
down_revision = "visits_0002"
branch_labels = None
depends_on = "kernel_0007"
VISIBLE = "(select every_tenant_visible()) or tenant_visible(tenant)"


def upgrade() -> None:
    """See kernel_0007."""
    for table in ("visit", "agent"):
        op.execute(f"create policy of_tenant on {table} using ({VISIBLE})")
        op.execute(f"alter table {table} enable row level security, force row level security")

"""Whoever reads for one tenant finds no contacts of others."""

from alembic import op

revision = "reminder_0002"
down_revision = "reminder_0001"
branch_labels = None
depends_on = "kernel_0007"
VISIBLE = "(select every_tenant_visible()) or tenant_visible(tenant)"


def upgrade() -> None:
    """See kernel_0007."""
    op.execute(f"create policy of_tenant on contact using ({VISIBLE})")
    op.execute("alter table contact enable row level security, force row level security")

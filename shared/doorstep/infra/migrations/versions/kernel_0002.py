"""Ways on which a tenant has stopped sending."""

from alembic import op

revision = "kernel_0002"
down_revision = "kernel_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One row per tenant and way; the way '*' is all of them."""
    op.execute("create table stopped (tenant text not null, way text not null, primary key (tenant, way))")

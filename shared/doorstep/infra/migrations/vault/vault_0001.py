"""The borrowers' keys, wrapped. A database of its own, with a role of its own."""

from alembic import op

revision = "vault_0001"
down_revision = None
branch_labels = ("vault",)
depends_on = None


def upgrade() -> None:
    """A destroyed key keeps its row, so that nobody makes it again."""
    op.execute(
        """create table vault_key (
            key_id text primary key,
            wrapped bytea,
            created_at timestamptz,
            destroyed_at timestamptz)"""
    )

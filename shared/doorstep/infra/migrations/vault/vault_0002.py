"""Keys stand in no statistics: PostgreSQL samples columns, and would keep the keys of erased borrowers there."""

from alembic import op

revision = "vault_0002"
down_revision = "vault_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """From now on, and those that were taken are dropped, where the server can do so."""
    op.execute("alter table vault_key alter column wrapped set statistics 0")
    op.execute(
        """do $$ begin
            if current_setting('server_version_num')::int >= 180000 then
                perform pg_clear_attribute_stats('public', 'vault_key', 'wrapped', false);
            end if;
        end $$"""
    )

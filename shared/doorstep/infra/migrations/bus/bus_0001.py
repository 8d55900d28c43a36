"""The embedded bus: one log, and how far each group has read."""

from alembic import op

revision = "bus_0001"
down_revision = None
branch_labels = ("bus",)
depends_on = None


def upgrade() -> None:
    """Positions grow in commit order, because publishing holds a lock."""
    op.execute(
        """create table bus_log (
            position bigint generated always as identity primary key,
            topic text not null,
            key text not null,
            value bytea not null)"""
    )
    op.execute("create index bus_log_topic on bus_log (topic, position)")
    op.execute(
        """create table bus_cursor (
            group_name text not null,
            topic text not null,
            position bigint not null,
            primary key (group_name, topic))"""
    )

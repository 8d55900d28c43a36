"""Where each contact stands."""

from alembic import op

revision = "reminder_0001"
down_revision = None
branch_labels = ("reminder",)
depends_on = "kernel_0001"


def upgrade() -> None:
    """A view kept by views.project; it can be rebuilt from the events."""
    for statement in _STATEMENTS:
        op.execute(statement)


_STATEMENTS = (
    """create table contact (
        permit_id text primary key,
        case_id text not null,
        tenant text not null,
        channel text not null,
        status text not null,
        due timestamptz not null,
        sent_at timestamptz
    )""",
    "create index contact_of_case on contact (case_id, due desc)",
)

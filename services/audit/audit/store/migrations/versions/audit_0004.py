"""What lists, searches and scans go by, so that they read no more than they show."""

from alembic import op

revision = "audit_0004"
down_revision = "audit_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Small indexes, each of the entries of one type."""
    for statement in _STATEMENTS:
        op.execute(statement)


_STATEMENTS = (
    # Whose time has run out, in the order of the log.
    "create index entry_cured on entry (position) where type = 'doorstep.case.cured'",
    "create index entry_erased on entry (case_id) where type = 'doorstep.erasure.completed'",
    # By the beginning of a case id, and by a loan id. A hash: a loan id may be longer than a tree holds.
    """create index entry_opened on entry (case_id collate "C") where type = 'doorstep.case.opened'""",
    """create index entry_loan on entry
        using hash (split_part(split_part(encode(value, 'escape'), '"loan_id":"', 2), '"', 1))
        where type = 'doorstep.loan.overdue-recorded'""",
)

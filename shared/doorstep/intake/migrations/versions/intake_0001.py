"""The importer's ledger: which snapshots were imported, and which loans the last one showed."""

from alembic import op

revision = "intake_0001"
down_revision = None
branch_labels = ("intake",)
depends_on = "kernel_0001"


def upgrade() -> None:
    """Snapshots and their loans."""
    for statement in _TABLES:
        op.execute(statement)


_TABLES = (
    """create table snapshot (
        tenant text not null,
        business_date date not null,
        revision int not null,
        imported_at timestamptz not null,
        rows int not null,
        digest bytea not null,
        primary key (tenant, business_date))""",
    # Fingerprints and sealed references only: who reads this table learns nothing of a person.
    """create table snapshot_loan (
        tenant text not null,
        loan_id text not null,
        borrower bytea not null,
        last_date date not null,
        row_mac bytea not null,
        open boolean not null,
        primary key (tenant, loan_id))""",
)

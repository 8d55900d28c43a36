"""Which history of which server the store's epoch belongs to."""

from alembic import op
from doorstep.infra.database import HISTORY

revision = "kernel_0006"
down_revision = "kernel_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A store that is here already keeps its epoch: its events go on as they would have."""
    op.execute("alter table store add history text")
    op.execute(f"update store set history = {HISTORY}")
    op.execute("alter table store alter history set not null")

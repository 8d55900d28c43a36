"""Rows are of a tenant: whoever reads for one tenant finds no others."""

from alembic import op

revision = "kernel_0007"
down_revision = "kernel_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The setting `doorstep.tenants` names tenants with commas between, or "*". Without it, as the services' own loops
    run, everything is there. What is of no tenant ("-") is there for everyone."""
    for statement in _STATEMENTS:
        op.execute(statement)


_STATEMENTS = (
    """create function every_tenant_visible() returns boolean language sql stable parallel safe
        return coalesce(current_setting('doorstep.tenants', true), '') in ('', '*')""",
    """create function tenant_visible(tenant text) returns boolean language sql stable parallel safe
        return tenant = '-' or tenant = any (string_to_array(current_setting('doorstep.tenants', true), ','))""",
    # In a query of its own it is asked once, and not for each row.
    "create policy of_tenant on streams using ((select every_tenant_visible()) or tenant_visible(tenant))",
    """create policy of_tenant on events using (
        (select every_tenant_visible()) or exists (select from streams s where s.stream = events.stream))""",
    "alter table streams enable row level security, force row level security",
    "alter table events enable row level security, force row level security",
)

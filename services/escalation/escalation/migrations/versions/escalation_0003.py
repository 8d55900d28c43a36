"""What was taken of the bank is remembered by its tenant too."""

from alembic import op

revision = "escalation_0003"
down_revision = "escalation_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Facts in the inbox get the names that they have from now on, from the events they became. Theirs are the only
    names with a space in them."""
    op.execute("delete from inbox where consumer = 'escalation' and position(' ' in message_id) > 0")
    op.execute(
        """insert into inbox (consumer, message_id)
        select 'escalation', tenant || ' ' || case when position(' ' in source) > 0
            then ' ' || length(source) || ' ' || source || ' ' || fact_id else source || ' ' || fact_id end
        from (select convert_from(value, 'UTF8')::json as said from events where type in (
            'doorstep.loan.overdue-recorded', 'doorstep.loan.cure-recorded',
            'doorstep.loan.payment-recorded', 'doorstep.loan.payment-reversal-recorded')) as recorded,
        lateral (select said ->> 'tenant' as tenant, said -> 'data' ->> 'source' as source,
            said -> 'data' ->> 'fact_id' as fact_id) as names
        on conflict do nothing"""
    )

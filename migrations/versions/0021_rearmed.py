"""A guardrail that was edited is asked again about a champion it has spoken about."""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_TABLE = "activation_breach"
_ONCE = "uq_activation_breach_tenant_id_seat_id_guardrail_failed"
_EACH = "uq_activation_breach_once"


def upgrade() -> None:
    columns = ["tenant_id", "seat_id", "guardrail", "revision", "failed"]
    op.create_unique_constraint(op.f(_EACH), _TABLE, columns)
    op.drop_constraint(_ONCE, _TABLE)


def downgrade() -> None:
    op.create_unique_constraint(
        op.f(_ONCE), _TABLE, ["tenant_id", "seat_id", "guardrail", "failed"]
    )
    op.drop_constraint(_EACH, _TABLE)

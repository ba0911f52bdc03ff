"""An episode of an alert knows what was told of it, how bad it was, and what it is over with.

The release before leaves all of it empty, and reads none.
"""

import sqlalchemy as sa
from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None

_EPISODE = "drift_episode"
_MOMENTS = ("through", "fired_at")
_WORDS = ("worst", "told_severity", "told_state")


def upgrade() -> None:
    for name in _MOMENTS:
        op.add_column(_EPISODE, sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    for name in _WORDS:
        op.add_column(_EPISODE, sa.Column(name, sa.String(length=40), nullable=True))
    columns = ", ".join((*_MOMENTS, *_WORDS))
    op.execute(f"GRANT UPDATE ({columns}) ON {_EPISODE} TO modelward_app, modelward_server")


def downgrade() -> None:
    for name in (*_WORDS, *_MOMENTS):
        op.drop_column(_EPISODE, name)

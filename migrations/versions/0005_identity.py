"""Scoped keys, invitations, trust in CI tokens.

Everything is added: keys without roles and points go on as before. The previous release knows no
scopes: until its last process has ended, a narrow key has its principal's full roles there.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_NOW = sa.text("now()")


def upgrade() -> None:
    for column in (
        sa.Column("roles", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("points", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("issuer_id", sa.Uuid(), nullable=True),
        sa.Column("rule_id", sa.Uuid(), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
    ):
        op.add_column("identity_key", column)
    op.create_table(
        "identity_invitation",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("principal_id", sa.Uuid(), nullable=False),
        sa.Column("prefix", sa.String(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "principal_id"],
            ["identity_principal.tenant_id", "identity_principal.id"],
            name=op.f("fk_identity_invitation_tenant_id_principal_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_identity_invitation")),
        sa.UniqueConstraint("sha256", name=op.f("uq_identity_invitation_sha256")),
    )
    op.create_index(
        "ix_identity_invitation_principal_id", "identity_invitation", ["tenant_id", "principal_id"]
    )
    op.create_table(
        "identity_trust_rule",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column(
            "provider",
            sa.Enum("github", "gitlab", "generic", name="provider", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column("issuer", sa.String(), nullable=False),
        sa.Column("audience", sa.String(), nullable=False),
        sa.Column("claims", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("principal_id", sa.Uuid(), nullable=False),
        sa.Column("roles", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("max_minutes", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.CheckConstraint(
            "max_minutes BETWEEN 1 AND 15", name=op.f("ck_identity_trust_rule_short_lived")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "principal_id"],
            ["identity_principal.tenant_id", "identity_principal.id"],
            name=op.f("fk_identity_trust_rule_tenant_id_principal_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_identity_trust_rule")),
        sa.UniqueConstraint(
            "tenant_id", "name", name=op.f("uq_identity_trust_rule_tenant_id_name")
        ),
    )
    op.create_index("ix_identity_trust_rule_id", "identity_trust_rule", ["id"])
    op.create_table(
        "identity_oidc_use",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("issuer", sa.String(), nullable=False),
        sa.Column("jti", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "issuer", "jti", name=op.f("pk_identity_oidc_use")),
    )
    op.create_index("ix_identity_oidc_use_expires_at", "identity_oidc_use", ["expires_at"])


def downgrade() -> None:
    op.drop_table("identity_oidc_use")
    op.drop_table("identity_trust_rule")
    op.drop_table("identity_invitation")
    for name in ("last_used_at", "rule_id", "issuer_id", "points", "roles"):
        op.drop_column("identity_key", name)

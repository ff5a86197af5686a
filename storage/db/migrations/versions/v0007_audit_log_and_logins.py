"""The audit log; uses of sessions and tokens; scopes of tokens; second factors; OpenID accounts."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TEXT

from storage.db.migrations.sqlite_tables import change_table_text

revision = "0007"
down_revision = "0006"

Key = sa.Text().with_variant(TEXT(collation="C"), "postgresql")
Counter = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the table, and columns that fit the sessions and tokens of the release before."""
    _audit_log()
    _sessions()
    _tokens()
    _accounts()


def _audit_log() -> None:
    op.create_table(
        "audit_log",
        sa.Column("id", Counter, sa.Identity(), primary_key=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("actor", Key, nullable=False),
        sa.Column("via", Key, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("action", Key, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("audit_log_time", "audit_log", ["at"])
    op.create_index("audit_log_actor", "audit_log", ["actor", "id"])
    op.create_index("audit_log_action", "audit_log", ["action", "id"])


# Defaults, because a server or command of the release before may still add rows.
def _sessions() -> None:
    op.add_column("sessions", _column("last_used_at", sa.Double, "0"))
    op.add_column("sessions", _column("address", sa.Text, "''"))
    op.add_column("sessions", _column("user_agent", sa.Text, "''"))
    op.execute("UPDATE sessions SET last_used_at = created_at")


def _tokens() -> None:
    op.add_column("api_tokens", _column("name", sa.Text, "'unnamed'"))
    op.add_column("api_tokens", _column("scope", Key, "'viewer'"))
    op.add_column("api_tokens", sa.Column("expires_at", sa.Double))
    op.add_column("api_tokens", sa.Column("last_used_at", sa.Double))
    op.execute(
        "UPDATE api_tokens SET scope = "
        "(SELECT role FROM accounts WHERE accounts.name = api_tokens.account)"
    )
    check = "scope IN ('upload', 'viewer', 'reviewer', 'admin')"
    if op.get_bind().dialect.name == "postgresql":
        op.create_check_constraint("api_tokens_scope", "api_tokens", check)
    else:
        column = "scope TEXT DEFAULT 'viewer' NOT NULL"
        checked = f"{column} CONSTRAINT api_tokens_scope CHECK ({check})"
        change_table_text(op.get_bind(), "api_tokens", column, checked)


def _accounts() -> None:
    op.add_column("accounts", sa.Column("totp_secret", sa.Text))
    op.add_column("accounts", sa.Column("totp_step", sa.BigInteger))
    op.add_column("accounts", sa.Column("identity", Key))
    op.create_index("accounts_identity", "accounts", ["identity"], unique=True)
    op.create_table(
        "recovery_codes",
        sa.Column("digest", Key, primary_key=True),
        sa.Column(
            "account",
            Key,
            sa.ForeignKey("accounts.name", name="recovery_codes_account", ondelete="CASCADE"),
            nullable=False,
        ),
    )


def _column(name: str, kind: Any, default: str) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False, server_default=sa.text(default))

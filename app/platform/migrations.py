"""Migrations that travel with the package."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from app.platform.db import sqlalchemy_url

_PACKAGE = Path(__file__).resolve().parents[1]


def config(url: str) -> Config:
    """Return Alembic's configuration for a database."""
    installed = _PACKAGE / "_migrations"
    found = Config()
    found.set_main_option(
        "script_location",
        str(installed if installed.exists() else _PACKAGE.parent / "migrations"),
    )
    text = sqlalchemy_url(url).render_as_string(hide_password=False)
    found.set_main_option("sqlalchemy.url", text.replace("%", "%%"))
    return found


def upgrade(url: str, revision: str = "head") -> None:
    """Bring a database's schema to ``revision``."""
    command.upgrade(config(url), revision)


def downgrade(url: str, revision: str) -> None:
    """Take a database's schema back to ``revision``."""
    command.downgrade(config(url), revision)


def check(url: str) -> None:
    """Raise if the tables in code differ from the migrated schema."""
    command.check(config(url))


def heads(url: str) -> list[str]:
    """Return the newest revisions; there should be one."""
    return list(ScriptDirectory.from_config(config(url)).get_heads())

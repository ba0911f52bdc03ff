"""Alembic's environment: one transaction for all, short locks, our tables only."""

from typing import Any

from alembic import context
from sqlalchemy import create_engine, pool, text

from app.metadata import metadata

# Objects in the database that are not in our metadata: the rota, day partitions, and an index over
# an expression, which Alembic cannot compare.
FOREIGN = (
    "platform_rota", "telemetry_event_p", "telemetry_event_default", "ix_catalog_search_terms",
)  # fmt: skip


def include(found: Any, name: str | None, kind: str, reflected: bool, _: Any) -> bool:  # noqa: FBT001
    if kind == "table" and found.info.get("view"):
        return False
    return not (reflected and kind in {"table", "index"} and (name or "").startswith(FOREIGN))


def run() -> None:
    url = context.config.get_main_option("sqlalchemy.url", "")
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        # A migration that cannot get its lock gives up instead of queueing everybody behind it.
        connection.execute(text("SET lock_timeout = '5s'"))
        connection.execute(text("SET statement_timeout = '10min'"))
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=metadata,
            include_object=include,
            compare_type=True,
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


run()

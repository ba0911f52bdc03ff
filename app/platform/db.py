"""The database: one engine a process, one transaction a request or task.

Row-level security is forced on every table. Connections act as ``modelward_app``, which sees the
rows of the tenant that the transaction named and, named none, no rows at all. What serves all
tenants at once (keys, the routing table, finding work) says so and acts as ``modelward_server``.
"""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, TypeVar
from uuid import UUID

import orjson
import psycopg
from sqlalchemy import (
    BigInteger,
    DateTime,
    Enum,
    MetaData,
    Select,
    Uuid,
    event,
    func,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import (
    DeclarativeBase,
    InstrumentedAttribute,
    Session,
    SessionTransaction,
    mapped_column,
)
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from app.kit.ids import uuid7
from app.kit.page import Rows, decode, encode
from app.platform.events import Bus
from app.platform.roles import APP, SERVER, TENANT_SETTING
from app.platform.settings import Settings

T = TypeVar("T")
Scope = UUID | None
ALL_TENANTS: Scope = None
"""The scope of what the server does for everybody."""
Json = dict[str, Any]
tenant_pk = Annotated[UUID, mapped_column(primary_key=True)]
uuid_pk = Annotated[UUID, mapped_column(primary_key=True, default=uuid7)]


class Base(DeclarativeBase):
    """The one declarative base: naming convention and the types our annotations mean."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it as a plain class attribute
        datetime: DateTime(timezone=True),
        UUID: Uuid(),
        int: BigInteger(),
        Json: JSONB(),
        list[str]: JSONB(),
        list[Json]: JSONB(),
        StrEnum: Enum(
            StrEnum,
            native_enum=False,
            length=40,
            values_callable=lambda kind: [member.value for member in kind],
        ),
    }


def sqlalchemy_url(url: str) -> URL:
    """Return ``url`` for the psycopg 3 driver, whatever Postgres spelling it came in."""
    return make_url(url).set(drivername="postgresql+psycopg")


def libpq_url(url: str) -> str:
    """Return ``url`` as libpq reads it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


class ScopedSession(Session):
    """A session whose transactions see only what ``info["scope"]`` lets them."""


@event.listens_for(ScopedSession, "after_begin")
def _enter(session: Session, transaction: SessionTransaction, connection: Connection) -> None:
    if transaction.nested:
        return
    scope: Scope = session.info["scope"]
    if scope is None:
        connection.exec_driver_sql(f"SET LOCAL ROLE {SERVER}")
    else:
        connection.exec_driver_sql(_NAME_TENANT, (str(scope),))


_NAME_TENANT = f"SELECT set_config('{TENANT_SETTING}', %s, true)"


_LEFT = "left"
_REST_SECONDS = 1.0


def _leave(_: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
    record.info[_LEFT] = time.monotonic()


class Database:
    """Engine and sessions of one process."""

    def __init__(self, url: str, settings: Settings, bus: Bus) -> None:
        self.url = libpq_url(url)
        self._bus = bus
        self.engine = create_async_engine(
            sqlalchemy_url(url),
            pool_size=settings.pool_size,
            max_overflow=0,
            pool_timeout=settings.pool_wait_seconds,
            pool_recycle=1800,
            hide_parameters=True,
            json_serializer=lambda value: orjson.dumps(value).decode(),
            json_deserializer=orjson.loads,
            connect_args={
                "connect_timeout": 5,
                "keepalives_idle": 10,
                "keepalives_interval": 5,
                "keepalives_count": 3,
                "tcp_user_timeout": 15_000,
                "options": f"-c statement_timeout={settings.statement_timeout_ms}"
                f" -c lock_timeout={settings.lock_timeout_ms} -c role={APP}"
                " -c idle_in_transaction_session_timeout=60000 -c timezone=UTC",
            },
        )

        event.listen(self.engine.sync_engine.pool, "checkin", _leave)
        event.listen(self.engine.sync_engine.pool, "checkout", self._try)

    def _try(
        self, connection: DBAPIConnection, record: ConnectionPoolEntry, _: PoolProxiedConnection
    ) -> None:
        """Ask a connection whether it still lives, if it has not been used for a while.

        Asked before every transaction, it is a round trip in ten.
        """
        left = record.info.get(_LEFT)
        if left is None or time.monotonic() - left < _REST_SECONDS:
            return
        dialect = self.engine.sync_engine.dialect
        try:
            dialect.do_ping(connection)
        except dialect.loaded_dbapi.Error as error:
            raise DisconnectionError from error

    def session(self, scope: Scope) -> AsyncSession:
        """Return a session of one tenant; it takes a connection at its first statement."""
        return AsyncSession(
            self.engine,
            sync_session_class=ScopedSession,
            expire_on_commit=False,
            autoflush=True,
            info={"bus": self._bus, "scope": scope},
        )

    @asynccontextmanager
    async def transaction(self, scope: Scope) -> AsyncIterator[AsyncSession]:
        """Open a session, commit at the end, roll back on any exception."""
        async with self.session(scope) as session:
            yield session
            await session.commit()

    @asynccontextmanager
    async def snapshot(self, scope: Scope) -> AsyncIterator[AsyncSession]:
        """Open a session whose queries all see one moment, for reports that must agree."""
        async with self.session(scope) as session:
            await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            yield session

    async def ask(self, scope: UUID, question: str, values: dict[str, Any]) -> list[Any]:
        """Return the rows of one question, in the driver's SQL, asked as a tenant.

        Its transaction takes a single round trip, and no session: for what is asked a thousand
        times a second, and changes nothing.
        """
        async with self.engine.connect() as connection:
            raw = (await connection.get_raw_connection()).driver_connection
            assert isinstance(raw, psycopg.AsyncConnection)  # noqa: S101 - the engine's driver
            async with raw.pipeline():
                await raw.execute(_NAME_TENANT, (str(scope),))
                answer = await raw.execute(question.encode(), values)
                await raw.commit()
                return await answer.fetchall()

    async def close(self) -> None:
        """Give every connection back."""
        await self.engine.dispose()


async def clock(session: AsyncSession) -> datetime:
    """Return the database's time now; within a transaction it goes on."""
    now: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    return now


async def driver(session: AsyncSession) -> "psycopg.AsyncConnection[Any]":
    """Return the session's own psycopg connection, for COPY within its transaction."""
    connection = await session.connection()
    raw = await connection.get_raw_connection()
    found = raw.driver_connection
    if not isinstance(found, psycopg.AsyncConnection):
        raise TypeError(f"Expected a psycopg connection, got {type(found).__name__}.")
    return found


async def fetch(
    session: AsyncSession, question: str, values: Mapping[str, Any]
) -> "list[tuple[Any, ...]]":
    """Return the rows of a question in the driver's SQL, asked within a session.

    Bytes come as they are: spelled as text, as they come through a session, they take three times
    as long.
    """
    async with (await driver(session)).cursor(binary=True) as cursor:
        await cursor.execute(question.encode(), values)
        return await cursor.fetchall()


async def page(
    session: AsyncSession,
    query: Select[T],
    *order: InstrumentedAttribute[Any],
    cursor: str | None,
    limit: int,
    newest_first: bool = False,
) -> Rows[T]:
    """Return the page of ``query`` that begins after ``cursor``, sorted by the columns ``order``.

    The last column makes the order total. The cursor holds a row's values of these columns.
    """
    if cursor is not None:
        after = tuple(decode(cursor, *(_from_json(column) for column in order)))
        key = tuple_(*order)
        query = query.where(key < after if newest_first else key > after)
    columns = [column.desc() for column in order] if newest_first else list(order)
    rows = list(await session.scalars(query.order_by(*columns).limit(limit + 1)))
    if len(rows) <= limit:
        return Rows(rows, None)
    last = [getattr(rows[limit - 1], column.key) for column in order]
    return Rows(rows[:limit], encode([x.hex() if isinstance(x, bytes) else x for x in last]))


def _from_json(column: InstrumentedAttribute[Any]) -> Callable[[Any], Any]:
    """Return what reads a column's value out of a cursor."""
    kind: type = column.type.python_type
    return {datetime: datetime.fromisoformat, bytes: bytes.fromhex}.get(kind, kind)

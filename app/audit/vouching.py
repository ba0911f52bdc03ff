"""Vouching: an entry holds fingerprints of the rows that its act wrote.

So that not only the log shows every edit, but also what stands beside it: an approval put in by
hand, a role changed in place, a champion seated by nobody. A table whose rows decide something is
``Vouched`` and names the columns that matter. What a transaction wrote of them goes into its next
entry; a transaction that would end without one is refused.
"""

from collections import defaultdict
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    Text,
    bindparam,
    cast,
    create_mock_engine,
    event,
    func,
    inspect,
    literal,
    select,
    tuple_,
)
from sqlalchemy.orm import Session, UOWTransaction

from app.platform.db import ScopedSession

ROWS = "wrote"
"""Where an entry's details hold them, by ``table/key``."""
_UNSAID = "unsaid"
_DIALECT = create_mock_engine("postgresql+psycopg://", lambda *_: None).dialect


class Vouched:
    """A table whose rows the audit log vouches for. A row must not be without its entry."""

    __vouched__: ClassVar[tuple[str, ...]]
    """The columns that decide something. Those of a release stay: later ones get a new table."""
    __personal__: ClassVar[tuple[str, ...]] = ()
    """Names and what people wrote: vouched for in the personal data, which can be erased."""
    __since__: ClassVar[str] = "at"
    """The column that says when a row was made."""


class Unvouched(RuntimeError):
    """A transaction wrote rows that no entry tells of: a fault of ours."""


def _name(kind: type[Vouched]) -> str:
    return str(inspect(kind).local_table.name)


def key_of(kind: type[Vouched]) -> ColumnElement[str]:
    """Return what names a row within its tenant."""
    own = [column for column in inspect(kind).primary_key if column.name != "tenant_id"]
    return func.concat_ws("/", literal(_name(kind)), *(cast(item, Text) for item in own))


def _key(row: Vouched) -> str:
    """Return the same of a row that is gone."""
    names = (item.name for item in inspect(type(row)).primary_key if item.name != "tenant_id")
    return row_key(type(row), *(getattr(row, name) for name in names))


def row_key(kind: type[Vouched], *own: object) -> str:
    """Return what names a row, of its table and its key without the tenant."""
    return "/".join((_name(kind), *map(str, own)))


def fingerprint_of(kind: type[Vouched]) -> ColumnElement[str]:
    """Return SHA-256 over what matters of a row, hexadecimal, as the database computes it."""
    return _fingerprint(kind, kind.__vouched__)


def fingerprint_sql(kind: type[Vouched]) -> str:
    """Return the same as SQL, for a statement that writes many rows and returns theirs."""
    written = fingerprint_of(kind)
    return str(written.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True}))


def private_of(kind: type[Vouched]) -> ColumnElement[Any]:
    """Return the same over what is personal of a row, or nothing where nothing is."""
    if not kind.__personal__:
        return literal(None, Text)
    return _fingerprint(kind, kind.__personal__)


def _fingerprint(kind: type[Vouched], columns: tuple[str, ...]) -> ColumnElement[str]:
    pairs = [part for name in columns for part in (literal(name), getattr(kind, name))]
    body = cast(func.jsonb_build_object(*pairs), Text)
    return func.encode(func.sha256(func.convert_to(body, "UTF8")), "hex")


def unsaid(session: Session, tenant_id: UUID) -> tuple[dict[str, str | None], dict[str, str]]:
    """Return the fingerprints of what was written since the last entry, and forget it.

    First those of what decides, then those of what is personal. A row that was deleted has none.
    """
    waiting: dict[int, Vouched] = session.info.get(_UNSAID, {})
    by_kind: dict[type[Vouched], list[Any]] = defaultdict(list)
    found: dict[str, str | None] = {}
    for row in [row for row in waiting.values() if row.tenant_id == tenant_id]:  # type: ignore[attr-defined]
        del waiting[id(row)]
        if inspect(row).persistent:
            by_kind[type(row)].append(inspect(row).identity)
        else:
            found[_key(row)] = None
    private: dict[str, str] = {}
    for kind, keys in by_kind.items():
        for key, open_, personal in session.execute(_written(kind), {"keys": keys}):
            found[key] = open_
            if personal is not None:
                private[key] = personal
    return found, private


_QUERIES: dict[type[Vouched], Select[tuple[str, str, Any]]] = {}


def _written(kind: type[Vouched]) -> Select[tuple[str, str, Any]]:
    """Return the query for rows of one table by their keys, built once: that costs more than it."""
    if kind not in _QUERIES:
        keys: BindParameter[Any] = bindparam("keys", expanding=True)
        _QUERIES[kind] = select(key_of(kind), fingerprint_of(kind), private_of(kind)).where(
            tuple_(*inspect(kind).primary_key).in_(keys)
        )
    return _QUERIES[kind]


@event.listens_for(ScopedSession, "before_flush")
def _collect(session: Session, _: UOWTransaction, __: object) -> None:
    written = [row for row in session.new if isinstance(row, Vouched)]
    written += [row for row in session.dirty if isinstance(row, Vouched) and _matters(row)]
    written += [row for row in session.deleted if isinstance(row, Vouched)]
    if written:
        session.info.setdefault(_UNSAID, {}).update((id(row), row) for row in written)


def _matters(row: Vouched) -> bool:
    changed: dict[str, Any] = inspect(row).committed_state
    return not changed.keys().isdisjoint((*row.__vouched__, *row.__personal__))


@event.listens_for(ScopedSession, "before_commit")
def _require_said(session: Session) -> None:
    session.flush()
    if waiting := session.info.get(_UNSAID):
        names = sorted({_name(type(row)) for row in waiting.values()})
        raise Unvouched(f"No audit entry tells of rows written to {', '.join(names)}.")


@event.listens_for(ScopedSession, "after_soft_rollback")
def _forget(session: Session, _: object) -> None:
    session.info.pop(_UNSAID, None)

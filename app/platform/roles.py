"""The database's roles: who may see which rows.

``modelward_app`` sees one tenant, ``modelward_server`` all of them; neither owns a table, so that
neither can switch row-level security off or change what is append-only. Migrations make both. The
login of API and workers acts as the one, and for what serves all tenants as the other.
"""

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

APP, SERVER, LOGIN = "modelward_app", "modelward_server", "modelward_login"
TENANT_SETTING = "modelward.tenant"


def login_url(owner_url: str, password: str | None = None) -> str:
    """Return a URL of the same database for a login that owns nothing; make it if need be.

    Without a password of its own it has the owner's: then whoever reads the one has the other.
    """
    owner = make_url(owner_url)
    secret = password or str(owner.password or "")
    login = sql.Identifier(LOGIN)
    with psycopg.connect(owner_url, autocommit=True) as connection:
        known = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (LOGIN,)).fetchone()
        verb = sql.SQL("CREATE" if known is None else "ALTER")
        connection.execute(
            verb
            + sql.SQL(" ROLE {} LOGIN NOINHERIT PASSWORD {}").format(login, sql.Literal(secret))
        )
        for role in (APP, SERVER):
            connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), login))
    return owner.set(username=LOGIN, password=secret).render_as_string(hide_password=False)

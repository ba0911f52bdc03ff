"""Commands, each a thin call."""

import asyncio
import json
import logging
import os
import re
import sys
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from app import audit, identity, telemetry
from app.cli import run
from app.cli.audits import audits
from app.cli.evidence import evidence
from app.cli.profiles import profile
from app.identity import PrincipalKind, Role
from app.kit.actor import Actor
from app.kit.names import NAME
from app.kit.refusal import NotFound, Refusal
from app.platform import migrations
from app.platform.db import ALL_TENANTS
from app.platform.observability import configure_logging
from app.platform.roles import LOGIN
from app.platform.settings import Settings

logger = logging.getLogger(__name__)

cli = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Modelward, a model-governance server.",
)
db = typer.Typer(no_args_is_help=True, help="The database's schema.")
keys = typer.Typer(no_args_is_help=True, help="API keys.")
tenancy = typer.Typer(no_args_is_help=True, help="Tenants: made where the database is, by no API.")
cli.add_typer(db, name="db")
cli.add_typer(keys, name="keys")
cli.add_typer(tenancy, name="tenants")
cli.add_typer(audits, name="audit")
cli.add_typer(evidence, name="evidence")
cli.command()(profile)
console = Console(highlight=False, soft_wrap=True)

DataDir = Annotated[Path | None, typer.Option(help="Where the embedded Postgres keeps its files.")]


def main() -> None:
    """Run the command line; a refusal is a sentence, not a traceback."""
    try:
        cli()
    except Refusal as refusal:
        Console(stderr=True, highlight=False).print(f"{refusal.title}: {refusal.detail}")
        sys.exit(1)
    except (run.DirectoryInUse, RuntimeError) as error:
        Console(stderr=True, highlight=False).print(str(error))
        sys.exit(1)


@cli.command()
def serve(
    data_dir: DataDir = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 picks a free one.")] = None,
    worker: Annotated[bool, typer.Option(help="Run a worker beside the API.")] = True,  # noqa: FBT002 - how typer spells a switch
    migrate: Annotated[bool, typer.Option(help="Bring the schema up to date first.")] = True,  # noqa: FBT002 - likewise
    announce: Annotated[
        Path | None, typer.Option(help="Write URL and first key to this file, once ready.")
    ] = None,
) -> None:
    """Start database (if none is configured), API and worker."""
    settings = run.settings(data_dir, host=host, port=port)
    configure_logging(settings.log_level)
    run.stop_on_sigterm()
    run.follow_parent()
    with run.database(settings, alone=True) as url:
        if migrate:
            migrations.upgrade(url)
        own = run.own_url(settings, url)
        key = _first_key(settings, own, needed=migrate)
        audit.Signer.load(settings)

        def ready(address: str) -> None:
            console.print(f"Modelward is ready at {address}")
            if key is not None:
                console.print(f"Administrator key (shown once): {key}")
            if announce is not None:
                _write(announce, {"url": address, "key": key})

        run.serve(settings, own, ready, worker=worker)


@cli.command()
def worker(data_dir: DataDir = None) -> None:
    """Run a worker: it folds telemetry, examines drift, reviews, and learns."""
    from app.worker import work  # noqa: PLC0415 - no other command waits for it

    settings = run.settings(data_dir)
    configure_logging(settings.log_level)
    run.follow_parent()
    with run.database(settings) as url:
        asyncio.run(work(settings, url))


@db.command("upgrade")
def upgrade(
    data_dir: DataDir = None,
    login: Annotated[bool, typer.Option(help="Make a login that owns nothing.")] = False,  # noqa: FBT002 - how typer spells a switch
) -> None:
    """Bring the schema up to date; with --login make `modelward_login` for API and workers.

    It has the password that MODELWARD_LOGIN_PASSWORD says, or else that of the owner, with whose
    URL this command is called.
    """
    settings = run.settings(data_dir)
    with run.database(settings) as url:
        migrations.upgrade(url)
        if login:
            run.make_login(settings, url)
            console.print(f"API and workers connect as {LOGIN}.")
        console.print(f"The schema is at {', '.join(migrations.heads(url))}.")


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="The principal; made if there is none.")],
    role: Annotated[list[Role], typer.Option(help="A role of a new principal; repeatable.")],
    days: Annotated[int, typer.Option(min=1, max=366)] = 90,
    owner: Annotated[
        str | None, typer.Option(help="Makes a service account that this person answers for.")
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="By default the first one.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Issue a key from the machine that holds the database.

    So somebody is let in where nobody is left who could: an approver too, whom nobody agrees to.
    """
    settings = run.settings(data_dir)
    with run.database(settings) as url:
        migrations.upgrade(url)
        text = asyncio.run(_issue(settings, url, name, set(role), days, owner, tenant))
    console.print(text)


@tenancy.command("create")
def create_tenant(
    name: Annotated[str, typer.Argument(help="Letters, digits and . _ @ -")],
    data_dir: DataDir = None,
) -> None:
    """Make a tenant; print its administrator's key, which is shown once."""
    if not re.fullmatch(NAME, name):
        raise typer.BadParameter("A name is 1 to 128 letters, digits and . _ @ -")
    settings = run.settings(data_dir)
    with run.database(settings) as url:
        migrations.upgrade(url)
        text = asyncio.run(_tenant(settings, url, name))
    console.print(text)


@tenancy.command("list")
def list_tenants(data_dir: DataDir = None) -> None:
    """Print every tenant's id and name, the oldest first."""
    settings = run.settings(data_dir)
    with run.database(settings, must_exist=True) as url:
        for name, tenant_id in asyncio.run(_tenants(settings, url)).items():
            console.print(f"{tenant_id} {name}")


@cli.command()
def openapi(
    write: Annotated[Path | None, typer.Option(help="Write the document here.")] = None,
) -> None:
    """Print the OpenAPI document, or write it to a file."""
    from app.main import make_api  # noqa: PLC0415 - no other command waits for it

    api, _, _ = make_api(Settings(), "postgresql://nobody@localhost/none")
    text = json.dumps(api.openapi(), indent=1, sort_keys=True) + "\n"
    if write is None:
        sys.stdout.write(text)
    else:
        write.write_text(text)


@cli.command()
def demo(
    url: Annotated[str | None, typer.Option(help="Use this server, not one of its own.")] = None,
    key: Annotated[
        str | None,
        typer.Option(envvar="MODELWARD_ADMIN_KEY", help="Administrator's key of --url."),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Another CSV of the same columns.")] = None,
    keep: Annotated[bool, typer.Option(help="Leave the server running for a look.")] = False,  # noqa: FBT002 - how typer spells a switch
    as_json: Annotated[bool, typer.Option("--json", help="End with one line of JSON.")] = False,  # noqa: FBT002 - likewise
) -> None:
    """Play one model's whole life on the New South Wales electricity market."""
    from app.demo import story  # noqa: PLC0415 - no other command waits for it

    run.stop_on_sigterm()
    sys.exit(story.play(url=url, key=key, data=data, keep=keep, as_json=as_json))


def _first_key(settings: Settings, url: str, *, needed: bool) -> str | None:
    """Return the first key, if this start makes it; a start that need not migrate can wait.

    Without a database a process answers by the plans and keys that it kept.
    """
    try:
        return asyncio.run(_bootstrap(settings, url))
    except (SQLAlchemyError, OSError) as error:
        if needed:
            raise
        logger.warning("there is no database yet", extra={"why": str(error)[:200]})
        return None


async def _bootstrap(settings: Settings, url: str) -> str | None:
    async with run.opened(settings, url) as database:
        await telemetry.make_partitions(database)
        async with database.transaction(ALL_TENANTS) as session:
            return await identity.bootstrap(session)


async def _tenant(settings: Settings, url: str, name: str) -> str:
    async with run.opened(settings, url) as database, database.transaction(ALL_TENANTS) as session:
        return await identity.create_tenant(session, name)


async def _tenants(settings: Settings, url: str) -> dict[str, UUID]:
    async with run.opened(settings, url) as database, database.session(ALL_TENANTS) as session:
        return await identity.tenants(session)


async def _issue(
    settings: Settings,
    url: str,
    name: str,
    roles: set[Role],
    days: int,
    owner: str | None,
    tenant: str | None,
) -> str:
    async with run.opened(settings, url) as database, database.transaction(ALL_TENANTS) as session:
        await identity.bootstrap(session)
        known = await identity.tenants(session)
        if tenant is not None and tenant not in known:
            raise typer.BadParameter(f"There is no tenant {tenant!r}.")
        own = known[tenant] if tenant else await identity.default_tenant(session)
        system = Actor.system(own)
        try:
            principal = await identity.principal_by_name(session, system.tenant_id, name)
        except NotFound:
            kind = PrincipalKind.SERVICE if owner else PrincipalKind.PERSON
            principal = await identity.create_principal(
                session, name=name, kind=kind, owner=owner, roles=roles, by=system
            )
        _, text = await identity.issue_key(session, principal, days=days, by=system)
        return text


def _write(path: Path, found: dict[str, str | None]) -> None:
    """Write a file only its owner reads, whole or not at all."""
    part = path.with_suffix(".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(found, file)
    part.rename(path)

"""``modelward audit``: verify, export, and the key to verify with."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import open as open_with_progress

from app import audit, identity
from app.cli import run
from app.platform.db import ALL_TENANTS, Database
from app.platform.settings import Settings

T = TypeVar("T")

audits = typer.Typer(no_args_is_help=True, help="The audit log.")
console = Console(highlight=False, soft_wrap=True)

DataDir = Annotated[Path | None, typer.Option(help="Where the embedded Postgres keeps its files.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]


@audits.command("verify")
def verify(
    data_dir: DataDir = None,
    export: Annotated[
        Path | None, typer.Option(help="Verify this export instead; needs no server, no database.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="The log's public key, for --export.")] = None,
    checkpoint: Annotated[
        list[Path] | None, typer.Option(help="A checkpoint you kept, for --export; repeatable.")
    ] = None,
    as_json: AsJson = False,  # noqa: FBT002 - how typer spells a switch
) -> None:
    """Recompute chains, tree and signatures; name the first bad entry of each."""
    if export is not None:
        if key is None:
            raise typer.BadParameter("--export is verified with --key.")
        _offline(export, key, checkpoint or [], as_json=as_json)
        return
    settings = run.settings(data_dir)
    with run.database(settings, must_exist=True) as url:
        reports = asyncio.run(_with_tenants(settings, url, _verify(settings)))
    faults = [
        {"tenant": name, **_plain(fault)} for name, report in reports for fault in report.faults
    ]
    found = {
        "ok": not faults,
        "entries": sum(report.entries for _, report in reports),
        "checkpoints": sum(report.checkpoints for _, report in reports),
        "rows": sum(report.rows for _, report in reports),
        "faults": faults,
    }
    if as_json:
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        for name, report in reports:
            console.print(
                f"{name}: {report.entries} entries in {report.streams} streams, {report.size} in"
                f" the log, {report.checkpoints} signed checkpoints, {report.rows} governed rows."
            )
        for fault in faults:
            console.print(f"BAD: {fault['stream']} entry {fault['seq']}: {fault['reason']}")
        console.print("Every chain holds." if not faults else f"{len(faults)} broken.")
    if faults:
        raise typer.Exit(1)


@audits.command("adopt")
def adopt(
    data_dir: DataDir = None,
    tenant: Annotated[str | None, typer.Option(help="Whose rows; without it everybody's.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Adopt what is listed without it.")] = False,  # noqa: FBT002 - how typer spells a switch
) -> None:
    """List governed rows that no entry tells of; with --yes vouch for them, once, after an upgrade.

    Adopting is logged. Without --yes the exit code is 1 if there are any.
    """
    settings = run.settings(data_dir)

    async def work(database: Database, tenants: dict[str, UUID]) -> bool:
        if tenant is not None and tenant not in tenants:
            raise typer.BadParameter(f"There is no tenant {tenant!r}.")
        chosen = tenants if tenant is None else {tenant: tenants[tenant]}
        return all([await _adopted(database, name, id_, yes=yes) for name, id_ in chosen.items()])

    with run.database(settings, must_exist=True) as url:
        done = asyncio.run(_with_tenants(settings, url, work))
    if not done:
        raise typer.Exit(1)


async def _adopted(database: Database, name: str, tenant_id: UUID, *, yes: bool) -> bool:
    """Say what there is to adopt, or adopt it; return whether nothing is left to do."""
    try:
        if yes:
            console.print(f"{name}: {await audit.adopt(database, tenant_id)} rows adopted.")
            return True
        keys = await audit.untold(database, tenant_id)
    except audit.NothingOlder as refusal:
        console.print(f"{name}: {refusal.title}. {refusal.detail}")
        return False
    for key in keys:
        console.print(f"{name}: {key}")
    console.print(f"{name}: {len(keys)} rows of which no entry tells.")
    if keys:
        console.print("Adopt them with --yes if each was there before the upgrade; it is logged.")
    return not keys


@audits.command("export")
def export(
    to: Annotated[Path, typer.Argument(help="The file of JSON lines to write.")],
    tenant: Annotated[str, typer.Option(help="Whose log.")] = "default",
    data_dir: DataDir = None,
) -> None:
    """Write a log as JSON lines, to be verified with nothing but its public key."""
    settings = run.settings(data_dir)

    async def write(database: Database, tenants: dict[str, UUID]) -> int:
        if tenant not in tenants:
            raise typer.BadParameter(f"There is no tenant {tenant!r}.")
        lines = 0
        with to.open("wb") as file:
            async with database.snapshot(tenants[tenant]) as session:
                async for lump in audit.export(session, tenants[tenant]):
                    lines += lump.count(b"\n")
                    await asyncio.to_thread(file.write, lump)
        return lines

    with run.database(settings, must_exist=True) as url:
        lines = asyncio.run(_with_tenants(settings, url, write))
    console.print(f"{lines} lines in {to}.")


@audits.command("key")
def key(data_dir: DataDir = None) -> None:
    """Print each tenant's public key (C2SP verifier key), to be kept where auditors look."""
    settings = run.settings(data_dir)

    async def keys(_: Database, tenants: dict[str, UUID]) -> dict[str, str]:
        signer = await asyncio.to_thread(audit.Signer.load, settings)
        return {name: signer.verifier(tenant_id) for name, tenant_id in tenants.items()}

    with run.database(settings, must_exist=True) as url:
        for name, text in asyncio.run(_with_tenants(settings, url, keys)).items():
            console.print(f"{name}: {text}")


def _offline(export: Path, key: str, kept: list[Path], *, as_json: bool) -> None:
    notes = [path.read_text(errors="replace") for path in kept]
    with open_with_progress(export, "rb", console=Console(stderr=True), transient=True) as lines:
        found = audit.verify_export(lines, key, notes)
    report: dict[str, Any] = {
        "ok": found.ok,
        "entries": found.entries,
        "signed": found.signed,
        "erased": found.erased,
        "faults": [_plain(found.fault)] if found.fault else [],
    }
    if as_json:
        sys.stdout.write(json.dumps(report) + "\n")
    elif found.fault is None:
        console.print(f"{found.entries} entries hold, {found.signed} of them signed.")
    else:
        fault = found.fault
        console.print(f"BAD: {fault.stream} entry {fault.seq}: {fault.reason}")
    if not found.ok:
        raise typer.Exit(1)


def _plain(fault: audit.Fault) -> dict[str, Any]:
    return {"stream": fault.stream, "seq": fault.seq, "reason": fault.reason}


def _verify(
    settings: Settings,
) -> Callable[[Database, dict[str, UUID]], Awaitable[list[tuple[str, audit.Report]]]]:
    async def work(database: Database, tenants: dict[str, UUID]) -> list[tuple[str, audit.Report]]:
        signer = await asyncio.to_thread(audit.Signer.find, settings)
        return [
            (name, await audit.verify(database, tenant_id, signer))
            for name, tenant_id in tenants.items()
        ]

    return work


async def _with_tenants(
    settings: Settings, url: str, work: Callable[[Database, dict[str, UUID]], Awaitable[T]]
) -> T:
    async with run.opened(settings, url) as database:
        async with database.session(ALL_TENANTS) as session:
            tenants = await identity.tenants(session)
            known = {*await audit.logged(session), *await asyncio.to_thread(audit.kept, settings)}
        # A tenant whose row is gone has its log still, or what was kept of it.
        gone = {f"(no tenant) {item}": item for item in sorted(known - set(tenants.values()))}
        return await work(database, tenants | gone)

"""``modelward evidence``: keys that sign, and evidence under their signature. Needs no server."""

import json
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from app.client import Signer

_SEED_BYTES = 32

evidence = typer.Typer(no_args_is_help=True, help="Signed evidence, made where CI measures.")

KeyFile = Annotated[
    Path, typer.Option("--key-file", help="The key's secret seed, 64 hexadecimal digits.")
]


@evidence.command("new-key")
def new_key(
    key_file: KeyFile,
    tenant: Annotated[UUID, typer.Option(help="`tenant_id`, as GET /v1/me says.")],
    principal: Annotated[UUID, typer.Option(help="Who will sign with it.")],
) -> None:
    """Make a signing key; print what POST /v1/principals/{id}/signing-keys registers it with."""
    if key_file.exists():
        raise typer.BadParameter(f"{key_file} exists already.")
    signer = Signer.new()
    key_file.touch(mode=0o600)
    key_file.write_text(signer.seed.hex() + "\n")
    typer.echo(json.dumps(signer.registration(tenant, principal)))


@evidence.command("sign")
def sign(
    key_file: KeyFile,
    key_id: Annotated[UUID, typer.Option(help="What the key was registered as.")],
    case: Annotated[UUID, typer.Option(help="The case the evidence is for.")],
    step: Annotated[str, typer.Option(help="The step of it.")],
    kind: Annotated[str, typer.Option(help="Rules read it as evidence.<kind>.")],
    payload: Annotated[Path, typer.Option(help="A JSON object, in a file.")],
) -> None:
    """Print the body for POST /v1/cases/{id}/steps/{step}/evidence, signed as of now.

    The server takes it once, within a day, and not after it was told something newer.
    """
    try:
        seed = bytes.fromhex(key_file.read_text().strip())
        said: Any = json.loads(payload.read_text())
    except (OSError, ValueError) as error:
        raise typer.BadParameter(str(error)) from error
    if len(seed) != _SEED_BYTES or not isinstance(said, dict):
        raise typer.BadParameter("The seed has 32 bytes, and the payload is an object.")
    body = Signer(seed).evidence(case, step, kind, said, key_id=str(key_id))
    typer.echo(json.dumps(body))

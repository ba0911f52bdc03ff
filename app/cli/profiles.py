"""``modelward profile``: count a version's profile where the rows lie, and send the profile."""

import json
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from app import drift, telemetry
from app.client import PATIENCE, Client, Problem
from app.telemetry import Engine, Layout, Tally

_NAMESPACE = uuid.UUID("6d3f4b1e-9a51-5b6e-8a35-0c1f0d2b7c11")
_HOURS_A_CALL = 1000
_PATIENCE_SECONDS = 1.0
_HOUR_SECONDS = 3600

Hours = dict[int | None, Tally]


def profile(
    model: Annotated[str, typer.Argument(help="The model.")],
    version: Annotated[int, typer.Argument(help="Its version, whose bins are counted in.")],
    table: Annotated[
        str,
        typer.Option(
            help="Parquet or CSV files (a path or a pattern),"
            " postgresql://…/database?table=schema.table, or spark:table."
        ),
    ],
    url: Annotated[str, typer.Option(envvar="MODELWARD_URL", help="The server.")],
    key: Annotated[str, typer.Option(envvar="MODELWARD_KEY", help="An API key.")],
    engine: Annotated[Engine | None, typer.Option(help="By default what the table says.")] = None,
    time: Annotated[str | None, typer.Option(help="The column with each row's time.")] = None,
    score: Annotated[str | None, typer.Option(help="The score's column, if not `score`.")] = None,
    since: Annotated[datetime | None, typer.Option(help="Only rows from then on, in UTC.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Only rows before then, in UTC.")] = None,
    send: Annotated[str | None, typer.Option(help="Give it to this decision point.")] = None,
    arm: Annotated[str, typer.Option(help="What the sent profile is kept under.")] = "lake",
    layout_file: Annotated[
        Path | None,
        typer.Option("--layout", help="What GET …/baseline answered, for a key that may not ask."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write what POST /v1/profiles takes.")] = None,
) -> None:
    """Count a table in a version's own bins, by one query: no row leaves where it lies."""
    console = Console(highlight=False)
    if time is None and (send or since or until):
        raise typer.BadParameter("--send, --since and --until need --time.")
    try:
        with Client(url, key, patience=PATIENCE) as client:
            baseline = (
                json.loads(layout_file.read_text())
                if layout_file is not None
                else client.get(f"/v1/models/{model}/versions/{version}/baseline")
            )
            layout = Layout.load(baseline["layout"])
            asked = {"time": time, "score": score, "since": _utc(since), "until": _utc(until)}
            found = _counted(console, table, engine, layout, asked)
            _show(console, layout, baseline, found)
            named = {"model": model, "version": version, "decision_point": send or "", "arm": arm}
            bodies = _bodies(named, baseline["layout"]["digest"], table, layout, found)
            if out is not None:
                out.write_text(json.dumps(bodies, indent=1) + "\n")
            if send is not None:
                _send(console, client, bodies)
    except Problem as problem:
        raise RuntimeError(str(problem)) from problem


def _utc(given: datetime | None) -> datetime | None:
    return None if given is None else given.replace(tzinfo=UTC)


def _counted(
    console: Console, uri: str, engine: Engine | None, layout: Layout, asked: dict[str, Any]
) -> Hours:
    """Profile in a thread; show how far it is once it has taken a second."""
    with telemetry.opened_table(uri, engine) as table:
        found: list[Hours] = []
        failed: list[Exception] = []

        def work() -> None:
            try:
                found.append(table.profile(layout, **asked))
            except Exception as error:  # noqa: BLE001 - raised again where it is waited for
                failed.append(error)

        thread = threading.Thread(target=work, name="profile", daemon=True)
        thread.start()
        thread.join(_PATIENCE_SECONDS)
        if thread.is_alive():
            _progress(console, thread, table.progress)
        if failed:
            raise failed[0]
        return found[0]


def _progress(console: Console, thread: threading.Thread, percent: Callable[[], float]) -> None:
    columns = (TextColumn("Counting"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        while thread.is_alive():
            done = percent()
            if done >= 0:
                bar.update(task, total=100, completed=done)
            thread.join(0.1)


def _show(console: Console, layout: Layout, baseline: Any, hours: Hours) -> None:
    """Print each variable's rows, nulls, and how far it is from the baseline."""
    total = _total(layout, hours)
    known = Tally.empty(layout.size, len(layout.variables))
    known.n = baseline["rows"]
    known.counts[:] = np.concatenate([one["counts"] for one in baseline["variables"]])
    distances = {one["name"]: one for one in _distances(layout, known, total)}
    shown = Table("variable", "n", "null", "invalid", "JS", "PSI")
    for bins, span in layout.spans():
        shares = [_share(total, bins, span, extra) for extra in ("null", "invalid")]
        far = distances.get(bins.name)
        values = [f"{far[name]:.4f}" if far else "" for name in ("js", "psi")]
        shown.add_row(bins.name, str(total.n), *shares, *values)
    console.print(shown)
    dated = [hour for hour in hours if hour is not None]
    if dated:
        console.print(f"{total.n} rows in {len(dated)} hours from {_shown(min(dated))} on.")
        if None in hours:
            console.print(f"{hours[None].n} rows have no time and are not sent.")


def _total(layout: Layout, hours: Hours) -> Tally:
    total = Tally.empty(layout.size, len(layout.variables))
    for tally in hours.values():
        total.add(tally)
    return total


def _distances(layout: Layout, known: Tally, total: Tally) -> list[dict[str, Any]]:
    if not total.n:
        return []
    # The baseline's sums are not published: of what needs them nothing is shown here.
    with np.errstate(all="ignore"):
        return drift.compare(layout, known, total, drift.Thresholds())


def _share(total: Tally, bins: telemetry.Bins, span: slice, extra: str) -> str:
    slot = bins.slot(extra)
    return "" if slot is None or not total.n else f"{total.counts[span][slot] / total.n:.2%}"


def _shown(hour: int) -> str:
    return datetime.fromtimestamp(hour * _HOUR_SECONDS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _bodies(
    named: dict[str, Any], digest: str, uri: str, layout: Layout, hours: Hours
) -> list[dict[str, Any]]:
    """Return the bodies that carry all hours, oldest first.

    Their ids come of what they are about, not of what was counted: the same window sent again is
    a duplicate, and refused if its rows have changed, but never added to what was sent before.
    """
    dated = sorted(hour for hour in hours if hour is not None)
    found = []
    for at in range(0, len(dated), _HOURS_A_CALL):
        part = dated[at : at + _HOURS_A_CALL]
        about = json.dumps([sorted(named.items()), digest, uri, part[0], part[-1]])
        found.append(
            {
                "id": str(uuid.uuid5(_NAMESPACE, about)),
                **named,
                "layout_digest": digest,
                "hours": [
                    {
                        "hour": _shown(hour),
                        "n": hours[hour].n,
                        "variables": telemetry.wired(layout, hours[hour]),
                    }
                    for hour in part
                ],
            }
        )
    return found


def _send(console: Console, client: Client, bodies: list[dict[str, Any]]) -> None:
    for body in bodies:
        try:
            answer = client.post("/v1/profiles", body)
        except ValueError as error:
            # JSON has no infinity, and the server takes none.
            raise RuntimeError("A sum is beyond all doubles: it cannot be sent.") from error
        word = "was there already" if answer["duplicate"] else "is taken"
        console.print(f"{answer['rows']} rows in {answer['hours']} hours: {word}.")
    if not bodies:
        console.print("Nothing to send.")

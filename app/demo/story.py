"""The story: one model's whole life on the New South Wales electricity market.

No figure in it is written down beforehand; what is told is what the server answered.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import uvloop

from app.client import PATIENCE, AsyncClient, Client, Problem
from app.demo import calling, closing, cycle, market, production, rework
from app.demo.cast import Cast, Peopled, assemble
from app.demo.cycle import Built, Names
from app.demo.desk import Desk, rehearse
from app.demo.market import ROWS_A_WEEK, Market, row_of
from app.demo.narrator import Narrator
from app.demo.server import Running, ServerFailed, own_server

TRAINED, HELD_OUT, LIVE = 9_600, 10_800, 12_000
_LEAST = LIVE + 4 * ROWS_A_WEEK
_ACQUIRE = 8 * ROWS_A_WEEK
_REHEARSE = 2 * ROWS_A_WEEK
_TRIAL_WEEKS = (3, 16)
_CONFIDENT = 0.95


def play(*, url: str | None, key: str | None, data: Path | None, keep: bool, as_json: bool) -> int:
    """Play the story; return the exit code."""
    narrator = Narrator()
    try:
        played = market.load(data, at_least=_LEAST)
        with _server(url, key) as running:
            story = Story(narrator, running, played)
            uvloop.run(story.tell())
            if keep:
                _keep(narrator, running)
            if as_json:
                sys.stdout.write(json.dumps(story.findings) + "\n")
                sys.stdout.flush()
    except (market.BadData, ServerFailed, Peopled, Problem, OSError) as error:
        narrator.line(f"[red]{error}[/red]")
        return 1
    return 0 if story.good else 1


@contextmanager
def _server(url: str | None, key: str | None) -> Iterator[Running]:
    if url is None:
        with own_server() as running:
            yield running
    elif key is None:
        raise market.BadData("--url needs --key (or MODELWARD_ADMIN_KEY): the administrator's key.")
    else:
        yield Running(url, key, None)


def _keep(narrator: Narrator, running: Running) -> None:
    narrator.line(f"The server stays at {running.url} until Ctrl-C; API at {running.url}/docs")
    narrator.line(f"Administrator key: {running.key}")
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return


class Story:
    """The story as it goes on; ``findings`` is what will be printed as JSON."""

    def __init__(self, narrator: Narrator, running: Running, played: Market) -> None:
        self._say = narrator
        self._running = running
        self._market = played
        self._started = time.monotonic()
        self._alerts: dict[str, int] = {}
        self._procedure: str | None = None
        self._sample: str | None = None
        self._administrator = Client(running.url, running.key, patience=PATIENCE)
        self._cast: Cast = assemble(running.url, self._administrator)
        self._names = Names("price-direction", "as-the-last-half-hour", "nsw-price-direction")
        self.findings: dict[str, Any] = {"rows": len(played)}

    @property
    def good(self) -> bool:
        """Whether everything the server promises held."""
        found = self.findings
        return bool(
            found["acknowledged_events"] == found["stored_events"]
            and found["self_approval"] == "refused"
            and found["audit_ok"]
            and found["tamper_found"] is not False
        )

    async def tell(self) -> None:
        """Tell it from the first training to the last audit."""
        keys, url = self._cast.keys, self._running.url
        async with (
            AsyncClient(url, keys["bidding-desk"]) as desk_client,
            AsyncClient(url, keys["oscar"]) as perimeter,
        ):
            desk = Desk(desk_client, self._cast["oscar"], self._market, self._names.point)
            await self._first_version(desk, perimeter)
            row = await self._until_it_drifts(desk)
            if row < len(self._market):
                await self._second_version(desk, perimeter, row)
            await self._account(desk)
        self._look_after()
        auditor = self._cast["audrey"]
        closing.trace(self._say, auditor, self._sample or desk.sample)
        self.findings |= closing.adherence(self._say, auditor, self._names.point)
        self.findings |= closing.audit(self._say, auditor, self._running.data_dir)
        self.findings["seconds"] = round(time.monotonic() - self._started, 1)
        self._say.note(f"Told in {self.findings['seconds']} s.")

    async def _first_version(self, desk: Desk, perimeter: AsyncClient) -> None:
        say, cast, names = self._say, self._cast, self._names
        say.chapter("A developer registers, a validator validates")
        say.line("An administrator let the people in; carla agreed to each who judges or operates.")
        cycle.register_model(cast, names)
        cycle.identify_point(cast, names)
        production.name_target(cast, names)
        v1 = cycle.build(self._market, 1, range(TRAINED), range(TRAINED, HELD_OUT))
        version = cycle.register(cast, names, self._market, v1)
        say.line(
            f"dana registers {names.model}@{version['number']} (trained on {TRAINED:,} half-hours,"
            f" content {version['content_digest'][:19]}…) and the rule set {names.rule}@1."
        )
        valid = cycle.validate(cast, names, self._market, v1)
        say.line(
            f"vic, who took no part, validates it: {valid['accuracy']:.1%} right on held-out rows;"
            f" technical gate {_word(valid['verdict'])}."
        )
        say.chapter("Release: six steps inside a guarded perimeter")
        scores = v1.model.score(self._market.inputs[HELD_OUT:LIVE])
        say.line("oscar rehearses it with real half-hours: not dana, who made it.")
        await rehearse(
            perimeter, self._market, scores, HELD_OUT,
            model=names.model, version=1, decision_point=names.point,
        )  # fmt: skip
        await desk.drained()
        self._release(v1)
        say.chapter("Activation: nobody approves his own work")
        case = production.open_activation(cast, names, v1, "champion")
        refused = cycle.try_approval(cast["dana"], case)
        self.findings["self_approval"] = "refused" if refused else "accepted"
        if refused:
            say.line(f"dana (who also sits on the committee) tries to approve: {refused}")
        say.line("dana hands the version over, oscar accepts; the desk reports its digest.")
        seat = production.swap(cast, case)
        say.line(
            f"carla approves for the committee; oscar swaps: {names.model}@1 is {seat['role']}."
        )
        desk.deploy(names.model, 1, v1.model.score(self._market.inputs), 0)
        desk.deploy_rule(names.rule, 1)
        await desk.ready()

    async def _until_it_drifts(self, desk: Desk) -> int:
        """Play the market week by week until the server sends v1 back, or the data ends."""
        say, cast, names, end = self._say, self._cast, self._names, len(self._market)
        say.chapter("The market, half-hour by half-hour")
        row, stage = LIVE, "activated"
        with say.progress("half-hours decided", end - LIVE) as bar:
            while row < end and stage == "activated":
                upto = min(row + ROWS_A_WEEK, end)
                await desk.play(row, upto, bar)
                row = upto
                await self._reviewed(desk, row)
                stage = self._version(1)["stage"]
        alerts = self._cast["oscar"].pages(f"/v1/models/{names.model}/versions/1/alerts")
        for alert in alerts:
            at = row_of(datetime.fromisoformat(alert["until"]))
            say.line(f"alert: {alert['kind']} drift in {alert['subject']} at row {at:,}")
            if alert["kind"] == "data":
                self._alerts.setdefault(alert["subject"], at)
        self.findings["first_alert"] = self._alerts
        reviews = self._cast["oscar"].get(f"/v1/models/{names.model}/versions/1/reviews")["items"]
        outcome = reviews[0]["path"] if reviews else None
        self.findings["kpi_outcome"] = outcome
        version = self._version(1)
        if version["stage"] == "returned":
            say.line(
                f"KPI validation ends in {outcome}: {names.model}@1 goes back to"
                f" {version['returned_to']}. It answers on until somebody better is approved."
            )
            self._procedure = rework.hand_back(say, cast, names)
        else:
            say.line(f"KPI validation: {outcome}. {names.model}@1 keeps its place.")
        return row

    async def _reviewed(self, desk: Desk, row: int) -> None:
        """Wait until the server has judged every window that closed before ``row``."""
        await desk.drained()
        oscar, names = self._cast["oscar"], self._names
        monitor = oscar.get(f"/v1/decision-points/{names.point}/monitor")
        width, step = (2 * monitor[f"{name}_hours"] for name in ("window", "step"))
        if row - LIVE <= width:
            return
        last = LIVE + width + (row - 1 - LIVE - width) // step * step
        path = f"/v1/models/{names.model}/versions/1/reviews"
        for _ in range(300):
            found = oscar.get(path, limit=1)["items"]
            if found and row_of(datetime.fromisoformat(found[0]["until"])) >= last:
                return
            await asyncio.sleep(0.1)

    async def _second_version(self, desk: Desk, perimeter: AsyncClient, row: int) -> None:
        say, cast, names, end = self._say, self._cast, self._names, len(self._market)
        say.chapter("New data is acquired, a second version enters as challenger")
        upto = min(row + _ACQUIRE, end)
        with say.progress("half-hours decided", upto - row) as bar:
            await desk.play(row, upto, bar)
        row = upto
        severe = max(self._alerts.values(), default=row - 4 * ROWS_A_WEEK)
        trained = range(severe - 2 * ROWS_A_WEEK, row - _REHEARSE)
        v2 = cycle.build(self._market, 2, trained, range(trained.stop, row))
        cycle.register(cast, names, self._market, v2)
        valid = cycle.validate(cast, names, self._market, v2)
        scores = v2.model.score(self._market.inputs[trained.stop : row])
        await rehearse(
            perimeter, self._market, scores, trained.stop,
            model=names.model, version=2, decision_point=names.point,
        )  # fmt: skip
        await desk.drained()
        say.line(
            f"dana trains {names.model}@2 on rows {trained.start:,} to {trained.stop:,}; vic finds"
            f" {valid['accuracy']:.1%} right on the {len(v2.held_out):,} rows after."
        )
        verdict = self._release(v2)
        if not verdict["passed"]:
            say.line("The second version is not released; the story ends with the first.")
            return
        if self._procedure is not None:
            rework.conclude(say, cast, names, self._procedure, v2)
        desk.deploy(names.model, 2, v2.model.score(self._market.inputs), 0)
        production.swap(cast, production.open_activation(cast, names, v2, "challenger"))
        self._start_bandit()
        row = await self._trial(desk, row)
        self._sample = desk.sample
        self._promote(v2)
        with say.progress("half-hours decided", end - row) as bar:
            await desk.play(row, end, bar)

    def _release(self, built: Built) -> Any:
        own = self._running.data_dir is not None
        take = calling.release if own else cycle.release
        return take(self._cast, self._names, self._market, built, self._tell_step)

    def _start_bandit(self) -> None:
        names, oscar = self._names, self._cast["oscar"]
        path = f"/v1/decision-points/{names.point}/plan"
        arms = [
            {"name": "incumbent", "model": names.model, "version": 1},
            {"name": "challenger", "model": names.model, "version": 2},
        ]
        strategy = {"kind": "bandit", "arms": arms, "update_seconds": 1}
        plan = {
            "segments": [{"strategy": strategy}],
            "shadows": [{"name": "rule", "model": names.rule, "version": 1}],
        }
        made = oscar.put(path, plan, revision=oscar.get(path)["revision"])
        self._say.line(
            f"oscar's plan, revision {made['revision']}: a Thompson bandit over versions 1 and 2,"
            " the rule set as shadow."
        )

    async def _trial(self, desk: Desk, row: int) -> int:
        """Let the bandit move the traffic until it is sure, week by week."""
        say, end = self._say, len(self._market)
        least, most = _TRIAL_WEEKS
        for week in range(1, most + 1):
            upto = min(row + ROWS_A_WEEK, end)
            with say.progress(f"week {week} of the trial", upto - row) as bar:
                await desk.play(row, upto, bar)
            row = upto
            found = await self._learnt(desk)
            learnt = found["segments"]["everyone"]
            if "p_best" not in learnt:
                continue
            sure = learnt["p_best"]["challenger"]
            share = found["weights"]["challenger"] / 10_000
            say.line(
                f"week {week}: P(version 2 is best) {sure:.1%}, its share of traffic {share:.0%}"
                + (" (burning in)" if learnt["burning_in"] else "")
            )
            if week >= least and sure >= _CONFIDENT:
                break
        return row

    async def _learnt(self, desk: Desk) -> Any:
        """Wait for the round that knows every outcome so far; the weights may need none."""
        await desk.drained()
        for _ in range(20):
            path = f"/v1/decision-points/{self._names.point}/rounds"
            found = self._cast["oscar"].get(path, limit=1)["items"][0]
            evidence = found["segments"]["everyone"].get("evidence", [])
            if sum(arm["units"] for arm in evidence) == sum(
                desk.ledger.arms.get(arm, 0) for arm in ("incumbent", "challenger")
            ):
                break
            await asyncio.sleep(0.1)
        return found

    def _promote(self, v2: Built) -> None:
        say, cast, names = self._say, self._cast, self._names
        say.chapter("Promotion by approval; a rollback and its undoing")
        production.swap(cast, production.open_activation(cast, names, v2, "champion"))
        say.line(f"carla approves, oscar swaps: {self._champion()} is champion.")
        try:
            self._roll_back("a rehearsal of the emergency")
        except Problem as problem:
            say.line(f"oscar rolls back: {problem}")
        self._roll_back("a rehearsal of the emergency", accept_returned=True)
        say.line(f"he insists: {self._champion()} is champion again.")
        self._roll_back("rehearsal over", undo=True)
        say.line(f"and undoes it: {self._champion()} is champion.")
        production.rehearse_stop(say, cast, names)

    def _roll_back(self, reason: str, **more: bool) -> None:
        """Have whoever is champion now give the seat back to the one before."""
        body = {"instead_of": self._seat()["version_id"], "reason": reason, **more}
        self._cast["oscar"].post(f"/v1/decision-points/{self._names.point}:rollback", body)

    async def _account(self, desk: Desk) -> None:
        """Compare what was acknowledged with what is stored, and see who was right."""
        found = await desk.drained()
        self.findings |= {
            "decisions": desk.ledger.decisions,
            "acknowledged_events": desk.ledger.acknowledged,
            "stored_events": found["stored_events"],
            "champion": self._champion(),
            "accuracy": closing.accuracy(found["series"]),
        }
        self._say.chapter("The account")
        self._say.line(
            f"{desk.ledger.decisions:,} decisions; {desk.ledger.acknowledged:,} scored events"
            f" acknowledged, {found['stored_events']:,} stored."
        )
        for item in found["series"]:
            if item["labelled"] and item["arm"] != "rehearsal":
                self._say.line(
                    f"{item['model']}@{item['version']} as {item['arm']}: {item['accuracy']:.1%}"
                    f" right in {item['labelled']:,} decisions"
                )
        self._say.note("The market differs by season: only arms of the same weeks compare.")
        best = max(self.findings["accuracy"], key=self.findings["accuracy"].__getitem__)
        champion, stage = self.findings["champion"], self._champion_stage()
        self._say.line(
            f"champion: {champion} ({stage}); most often right over all: {best}"
            + ("." if best == champion else ", so the next challenger is known.")
        )

    def _tell_step(self, step: str, verdict: Any) -> None:
        failed = [item["rule"] for item in verdict["results"] if not item["passed"]]
        named = ", ".join(name.replace("_", " ") for name in failed)
        more = f" ({'warns' if verdict['passed'] else 'not met'}: {named})" if failed else ""
        way_out = f" → {verdict['path']}" if verdict["path"] else ""
        self._say.line(f"{step.replace('_', ' ')}: {_word(verdict)}{more}{way_out}")

    def _version(self, number: int) -> Any:
        return self._cast["oscar"].get(f"/v1/models/{self._names.model}/versions/{number}")

    def _champion_stage(self) -> str:
        number = int(self._champion().rpartition("@")[2])
        version = self._version(number)
        back = f" to {version['returned_to']}" if version["returned_to"] else ""
        return f"{version['stage']}{back}"

    def _look_after(self) -> None:
        """Judge the steps of the activation that come after the swap, on what production shows."""
        self._say.chapter("After the swap: integrated, watched, accountable")
        case = {"id": self._seat()["case_id"]}
        for step, verdict in cycle.judge_after_swap(self._cast, case):
            self._tell_step(step, verdict)

    def _seat(self) -> Any:
        seats = self._cast["oscar"].pages(f"/v1/decision-points/{self._names.point}/seats")
        return next(item for item in seats if item["role"] == "champion" and not item["until"])

    def _champion(self) -> str:
        seat = self._seat()
        for version in self._cast["oscar"].pages(f"/v1/models/{self._names.model}/versions"):
            if version["id"] == seat["version_id"]:
                return f"{self._names.model}@{version['number']}"
        return "unknown"


def _word(verdict: Any) -> str:
    return "passed" if verdict["passed"] else "closed"

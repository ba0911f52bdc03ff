"""The worker process, composed: at every pulse, what is due is looked for and done.

telemetry folds what arrived → kpi notices what came another way → drift examines closed windows →
activation guards champions → revalidation judges the windows → routing learns → activation notices
targets that have gone silent.
Each step finds its own work in the database and commits it by itself, so that a step that was
missed or failed is done at the next pulse, by whichever worker is there.
"""

import asyncio
import logging
import signal
from datetime import timedelta

from app import (
    activation,
    audit,
    catalog,
    drift,
    identity,
    kpi,
    notifications,
    release,
    revalidation,
    routing,
    telemetry,
)
from app.bus import make_bus
from app.platform.db import Database
from app.platform.http import idempotency
from app.platform.outbound import Outbound, OutboundRefused
from app.platform.rota import Job, Rota
from app.platform.settings import Settings

logger = logging.getLogger(__name__)

STEPS = (
    telemetry.digest, kpi.notice, drift.watch, activation.guard, revalidation.review, routing.learn,
    activation.watch_targets,
)  # fmt: skip


async def pulse(database: Database) -> None:
    """Take every step in the order data flows; one that fails does not stop the others."""
    failed: list[Exception] = []
    for step in STEPS:
        try:
            await step(database)
        except Exception as error:
            logger.exception("a step failed", extra={"step": step.__module__})
            failed.append(error)
    if failed:
        raise ExceptionGroup("steps of this pulse failed", failed)


def audit_keeper(settings: Settings) -> Job:
    """Return the job that numbers the audit log, signs it, and takes that outside."""
    signer = _signer(settings)
    sinks = audit.Sink.parse(settings.audit_sinks.get_secret_value())

    async def keep(database: Database) -> None:
        try:
            await audit.sequence(database, signer)
        finally:
            if signer is not None:
                await audit.deliver(database, signer, sinks)

    return keep


def alert_pusher(settings: Settings) -> Job | None:
    """Return the job that tells Alertmanager what fires, if there is one that may be called."""
    if not settings.alertmanager_url:
        return None
    try:
        stands = timedelta(minutes=settings.alertmanager_stands_minutes)
        return drift.Alertmanager(settings.alertmanager_url, Outbound(settings), stands).push
    except OutboundRefused as refusal:
        logger.critical(
            "Alertmanager is not told of alerts: MODELWARD_ALERTMANAGER_URL is not called",
            extra={"reason": refusal.detail},
        )
        return None


def _signer(settings: Settings) -> audit.Signer | None:
    try:
        return audit.Signer.load(settings)
    except OSError as error:
        logger.critical(
            "the audit log is not signed: there is no place for its key, set MODELWARD_DATA_DIR or"
            " MODELWARD_AUDIT_KEY_FILE",
            extra={"reason": str(error)},
        )
        return None


async def work(settings: Settings, database_url: str) -> None:
    """Run a worker until SIGTERM or SIGINT."""
    database = Database(database_url, settings, make_bus())
    rota = Rota(database)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, rota.stop)
    rota.every(settings.pulse_seconds, "pulse", pulse)
    preparer = activation.preparer(Outbound(settings))
    rota.every(settings.pulse_seconds, "activation.prepare", preparer, at_once=4)
    rota.every(settings.audit_seconds, "audit.keep", audit_keeper(settings), at_once=2)
    # What a release that knew of no search has registered meanwhile: nothing, mostly.
    rota.every(10, "routing.conclude", routing.conclude)
    rota.every(300, "activation.promote", activation.promote)
    rota.every(30, "catalog.fill_search", catalog.fill_search)
    rota.every(59, "telemetry.make_partitions", telemetry.make_partitions)
    rota.every(30, "telemetry.fold_unknown", telemetry.fold_unknown)
    rota.every(300, "telemetry.forget", telemetry.forget)
    rota.every(3600, "telemetry.forget_unknown", telemetry.forget_unknown)
    rota.every(59, "platform.forget_keys", idempotency.forget)
    rota.every(59, "identity.forget_tokens", identity.forget_tokens)
    rota.every(59, "notifications.forget", notifications.forget)
    rota.every(30, "drift.tend", drift.tend)
    rota.every(3600, "kpi.stand", kpi.stand)
    if (pusher := alert_pusher(settings)) is not None:
        rota.every(drift.ALERTMANAGER_SECONDS, "drift.push_alerts", pusher)
    rota.every(30, "revalidation.remind", revalidation.remind)
    rota.every(30, "revalidation.watch_arrival", revalidation.watch_arrival)
    courier = notifications.Courier(database, Outbound(settings), settings)
    operator = release.Operator(Outbound(settings))
    rota.every(settings.pulse_seconds, "release.operate", operator.turn)
    try:
        await telemetry.make_partitions(database)
        delivering = asyncio.create_task(courier.run())
        try:
            await rota.run()
        finally:
            courier.stop()
            await delivering
    finally:
        await operator.close()
        await database.close()

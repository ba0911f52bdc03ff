"""How far the worker is behind, as Prometheus gauges by tenant, counted every so often.

The worker answers no requests: what it has left undone is read from the tables, by every API
process alike.
"""

from prometheus_client import CollectorRegistry, Gauge

from app import audit, identity, notifications, telemetry
from app.platform.db import ALL_TENANTS, Database

_NOTHING = notifications.Waiting(0, 0, 0.0)


class Backlogs:
    """Counts every tenant's backlogs; a scrape reads the last count."""

    every_seconds = 15.0

    def __init__(self, database: Database, registry: CollectorRegistry) -> None:
        self._database = database

        def gauge(name: str, documentation: str) -> Gauge:
            return Gauge(name, documentation, ["tenant"], registry=registry)

        self._deltas = gauge(
            "modelward_telemetry_deltas_waiting", "Profile deltas that are not folded yet."
        )
        self._outcomes = gauge(
            "modelward_telemetry_outcomes_waiting", "Outcomes that are due and not joined yet."
        )
        self._events = gauge(
            "modelward_outbox_events_waiting", "Events not yet taken up for a receiver."
        )
        self._overdue = gauge(
            "modelward_webhook_deliveries_overdue", "Deliveries whose next attempt is due."
        )
        self._oldest = gauge(
            "modelward_outbox_oldest_seconds", "How long the oldest of both has waited."
        )
        self._unsigned = gauge(
            "modelward_audit_unsigned_entries", "Entries that no signed checkpoint covers."
        )
        self._unsigned_for = gauge(
            "modelward_audit_unsigned_seconds", "Since the oldest of them was written."
        )
        self._checkpoint = gauge(
            "modelward_audit_checkpoint_age_seconds", "Since the newest signed checkpoint."
        )

    async def count(self) -> None:
        """Count every tenant's backlogs once."""
        async with self._database.session(ALL_TENANTS) as session:
            tenants = await identity.tenants(session)
            unfolded = await telemetry.unfolded(session)
            waiting = await notifications.waiting(session)
            unsigned = await audit.unsigned(session)
        for name, tenant_id in tenants.items():
            self._deltas.labels(name).set(unfolded.deltas.get(tenant_id, 0))
            self._outcomes.labels(name).set(unfolded.outcomes.get(tenant_id, 0))
            told = waiting.get(tenant_id, _NOTHING)
            self._events.labels(name).set(told.events)
            self._overdue.labels(name).set(told.overdue)
            self._oldest.labels(name).set(told.oldest)
            if (log := unsigned.get(tenant_id)) is not None:
                self._unsigned.labels(name).set(log.entries)
                self._unsigned_for.labels(name).set(log.oldest)
                if log.checkpoint_age is not None:
                    self._checkpoint.labels(name).set(log.checkpoint_age)

"""The worker process, composed: what is due is looked for at every pulse.

telemetry folds what arrived → drift examines closed windows → revalidation judges them; beside it
routing learns. Each step finds its own work in the database, so that a step that was missed is
done at the next pulse, by whichever worker is there.
"""

from app import drift, revalidation, routing, telemetry
from app.main import make_bus
from app.platform.db import Database
from app.platform.queue import Queue
from app.platform.settings import Settings


async def work(settings: Settings, database_url: str) -> None:
    """Run a worker until it is told to stop."""
    database = Database(database_url, settings, make_bus())
    queue = Queue(database)
    pulse = settings.pulse_seconds
    queue.every(pulse, "telemetry.digest", telemetry.digest)
    queue.every(pulse, "drift.watch", drift.watch)
    queue.every(pulse, "revalidation.review", revalidation.review)
    queue.every(pulse, "routing.learn", routing.learn)
    queue.every(59, "telemetry.make_partitions", telemetry.make_partitions)
    try:
        await telemetry.make_partitions(database)
        await queue.run()
    finally:
        await database.close()

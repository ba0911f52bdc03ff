"""The HTTP edge: problems, guarded routes, transactions, idempotency, conditional requests."""

from app.platform.http.conditional import IfMatch, IfMatchToReplace, etag
from app.platform.http.documented import hot_responses, responses
from app.platform.http.flight import InFlight
from app.platform.http.guard import Authenticator, Peer, allow, permission_of
from app.platform.http.index import RouteIndex
from app.platform.http.lookup import Lookup, lookup
from app.platform.http.metrics import PlainCounter
from app.platform.http.moment import At, Moment
from app.platform.http.paging import Cursor, Limit
from app.platform.http.raw import Endpoint, HotRoute, Tagged
from app.platform.http.route import GovernedRoute, Session, Snapshot, router
from app.platform.http.shortcut import Shortcut, shortcut
from app.platform.http.throttle import WrongCredentials
from app.platform.http.upload import Bulk, NamedTwice, Upload

__all__ = [
    "At",
    "Authenticator",
    "Bulk",
    "Cursor",
    "Endpoint",
    "GovernedRoute",
    "HotRoute",
    "IfMatch",
    "IfMatchToReplace",
    "InFlight",
    "Limit",
    "Lookup",
    "Moment",
    "NamedTwice",
    "Peer",
    "PlainCounter",
    "RouteIndex",
    "Session",
    "Shortcut",
    "Snapshot",
    "Tagged",
    "Upload",
    "WrongCredentials",
    "allow",
    "etag",
    "hot_responses",
    "lookup",
    "permission_of",
    "responses",
    "router",
    "shortcut",
]

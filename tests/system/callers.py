"""Who calls, and how many calls are made at a time."""

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import httpx

from app.identity import ROLES, Role
from tests.live import Live
from tests.ways import Way

FORGOTTEN_SECONDS = 5
AT_ONCE = 4
JSON = {"Content-Type": "application/json", "If-Match": '"1"'}


class Call(NamedTuple):
    """One request to be made; ``url`` has its query."""

    way: Way
    url: str
    who: str
    key: str | None
    body: bytes | None = None

    @property
    def asked(self) -> str:
        """All that the caller says himself."""
        return self.url + (self.body or b"").decode()


def call(live: Live, calls: Iterable[Call]) -> Iterable[tuple[Call, httpx.Response]]:
    """Make every call, a few at a time; return each with its answer."""
    with httpx.Client(base_url=live.url, timeout=30) as http, ThreadPoolExecutor(AT_ONCE) as pool:

        def one(call: Call) -> tuple[Call, httpx.Response]:
            headers = JSON if call.body is not None else {"If-Match": '"1"'}
            if call.key is not None:
                headers = {**headers, "Authorization": f"Bearer {call.key}"}
            sent = http.request(call.way.method, call.url, content=call.body, headers=headers)
            return call, sent

        return list(pool.map(one, calls))


def each_role(live: Live) -> dict[Role, str]:
    """Return a key for each role alone."""
    return {role: _hired(live, role)[2] for role in ROLES}


def strangers(live: Live) -> dict[str, str | None]:
    """Return keys that have worked and do so no more, one that never did, and none at all."""
    person, _, disabled = _hired(live, Role.DEVELOPER)
    _, issued, revoked = _hired(live, Role.OPERATOR)
    assert {_welcome(live, disabled), _welcome(live, revoked)} == {200}
    live.admin.post(f"/v1/principals/{person}:disable")
    live.admin.post(f"/v1/keys/{issued}:revoke")
    deadline = time.monotonic() + FORGOTTEN_SECONDS
    while {_welcome(live, disabled), _welcome(live, revoked)} != {401}:
        assert time.monotonic() < deadline, f"still let in after {FORGOTTEN_SECONDS} s"
        time.sleep(0.05)
    never = revoked[:-4] + "0000"
    return {"disabled": disabled, "revoked": revoked, "forged": never, "nobody": None}


def _hired(live: Live, role: Role) -> tuple[str, str, str]:
    """Return the id of a new person, the id of his key, and the key."""
    person, key = live.newcomer(role)
    issued = next(live.admin.pages(f"/v1/principals/{person}/keys"))
    return person, issued["id"], key


def _welcome(live: Live, key: str) -> int:
    answer = httpx.get(f"{live.url}/v1/me", headers={"Authorization": f"Bearer {key}"})
    return answer.status_code

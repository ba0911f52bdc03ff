"""The people of the story, each with a key of his own."""

from dataclasses import dataclass
from typing import Any

from app.client import Client

_PEOPLE: dict[str, dict[str, Any]] = {
    # Dana sits on the committee as well: the conflict of interest the server must not allow.
    "dana": {"roles": ["developer", "committee"]},
    "vic": {"roles": ["validator"]},
    "oscar": {"roles": ["operator"]},
    "carla": {"roles": ["committee"]},
    "audrey": {"roles": ["auditor"]},
    "bidding-desk": {"roles": ["application"], "kind": "service", "owner": "oscar"},
}


@dataclass(frozen=True, slots=True)
class Cast:
    """A client for each person; ``keys`` are for clients of another kind."""

    clients: dict[str, Client]
    keys: dict[str, str]

    def __getitem__(self, name: str) -> Client:
        return self.clients[name]


def assemble(url: str, administrator: Client) -> Cast:
    """Have the administrator make the principals and their keys."""
    known = {person["name"]: person for person in administrator.pages("/v1/principals")}
    clients, keys = {}, {}
    for name, fields in _PEOPLE.items():
        person = known.get(name) or administrator.post("/v1/principals", {"name": name, **fields})
        issued = administrator.post(f"/v1/principals/{person['id']}/keys", {"days": 1})
        keys[name] = issued["key"]
        clients[name] = Client(url, issued["key"])
    return Cast(clients, keys)

"""The people of the story, each with a key of his own."""

from dataclasses import dataclass
from typing import Any

from app.client import PATIENCE, Client, redeem

_PEOPLE: dict[str, dict[str, Any]] = {
    # Appointed by the administrator; whoever decides after her is agreed to by her.
    "carla": {"roles": ["committee"]},
    # Dana sits on the committee as well: the conflict of interest the server must not allow.
    "dana": {"roles": ["developer", "committee"]},
    "vic": {"roles": ["validator"]},
    "oscar": {"roles": ["operator"]},
    "audrey": {"roles": ["auditor"]},
    "bidding-desk": {"roles": ["application"], "kind": "service", "owner": "oscar"},
}


class Peopled(RuntimeError):
    """The tenant is somebody's: the story's people cannot be let in."""


@dataclass(frozen=True, slots=True)
class Cast:
    """A client for each person; ``keys`` are for clients of another kind."""

    clients: dict[str, Client]
    keys: dict[str, str]

    def __getitem__(self, name: str) -> Client:
        return self.clients[name]


def assemble(url: str, administrator: Client) -> Cast:
    """Have the administrator make the principals, invite the people, and equip the machines.

    Roles that decide take a second person's word: Carla's.
    """
    if any(person["name"] != "administrator" for person in administrator.pages("/v1/principals")):
        raise Peopled(
            "There are people in this tenant already; nobody but they may agree to new roles. Tell"
            " the story in a tenant of its own: modelward tenants create NAME."
        )
    clients, keys = {}, {}
    for name, fields in _PEOPLE.items():
        made = administrator.post("/v1/principals", {"name": name, **fields})
        path = f"/v1/principals/{made['id']}"
        if made["kind"] == "person":
            key = redeem(url, administrator.post(f"{path}:invite")["code"], days=1)
        else:
            key = administrator.post(f"{path}/keys", {"days": 1})["key"]
        keys[name], clients[name] = key, Client(url, key, patience=PATIENCE)
        if made["change_id"] is not None:
            word = {"reason": f"{name} is who the key was given to"}
            clients["carla"].post(f"/v1/changes/{made['change_id']}:approve", word)
    return Cast(clients, keys)

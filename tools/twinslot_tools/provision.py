"""What a board is given before its first start: its identity, its keys and its files.

No more than a group's id and token is needed for that; the server tells the rest. The token itself never goes to a
board, only the key derived from it for that board alone.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from twinslot_tools import device_auth
from twinslot_tools.board_files import board_files
from twinslot_tools.errors import ServerRefused
from twinslot_tools.shapes import fits

OWNERS_CHOICES = ("trial_s", "poll_s", "wait_s", "allow_packages", "allow_exec")
TRIAL_S = 300
"""How long a release may take to prove itself on a board."""


@dataclass(frozen=True)
class Group:
    """A group as a provisioning tool knows it; `trusted` are the moduli that its devices check signatures with, and
    `trust` says whose: the server's, or its publisher's alone.

    `last_seen_at` and `version` are those of the device that was asked for, None before its first check-in.
    """

    server: str
    id: str
    token: str
    app: str
    trusted: tuple[str, ...]
    trust: str = "server"
    last_seen_at: str | None = None
    version: str | None = None


async def ask_group(server: str, group: str, token: str, device: str) -> Group:
    """The group's application and keys, from the server; it registers `device`. Raises as `group_of`."""
    return await group_of(device_auth.Session(server, group, token, device))


async def group_of(session: device_auth.Session) -> Group:
    """The application and keys of the group of the session's device, which the server registers.

    Raises `ServerRefused` when the server does not know the group with this token, or can't be reached.
    """
    server, group = session.server, session.group
    answer = await session.get("/device/v1/keys")
    if not fits(answer, {"app": str, "trusted": [str]}) or not answer["trusted"]:
        raise ServerRefused(f"{server} named no application or no key for group {group}")
    trust = str(answer.get("trust", "server"))
    seen = answer.get("last_seen_at"), answer.get("version")
    return Group(server, group, session.token, answer["app"], tuple(answer["trusted"]), trust, *seen)


def configuration(
    group: Group,
    device: str,
    *,
    app: str,
    version: str,
    wifi: Mapping[str, str] | None = None,
    poll_s: int | None = None,
    wait_s: int = 0,
    trial_s: int,
) -> dict[str, object]:
    """The content of `/twinslot.json`. `app` and `version` are those of the image that the board starts with.

    A board whose publisher alone is trusted takes no packages: nobody signs those.
    """
    settings: dict[str, object] = {
        "server": group.server,
        "group": group.id,
        "device": device,
        "key": device_auth.device_key(group.token, device).hex(),
        "app": app,
        "version": version,
        "trusted": list(group.trusted),
        "wifi": dict(wifi) if wifi else None,
        "trial_s": trial_s,
        "allow_packages": group.trust != "publisher",
    }
    if wait_s:
        settings["wait_s"] = wait_s
    return settings if poll_s is None else {**settings, "poll_s": poll_s}


def merged(new: Mapping[str, object], old: Mapping[str, object]) -> dict[str, object]:
    """The `new` settings, with what a board's owner has chosen in its `old` ones, empty for none.

    The Wi-Fi stays when no other is given, as do the certificates for https; the rest when the group is the same.
    """
    settings = dict(new)
    if old.get("group") == new["group"]:
        settings |= {name: old[name] for name in OWNERS_CHOICES if name in old}
    settings["wifi"] = new["wifi"] or old.get("wifi")
    if old.get("ca") and str(new["server"]).startswith("https:"):
        settings.setdefault("ca", old["ca"])
    return settings


def files(settings: Mapping[str, object]) -> dict[str, bytes]:
    """All files of a board with these settings: path on the board → content."""
    return {**board_files(), "/twinslot.json": json.dumps(settings).encode()}

"""Which board a flash is, and that it is the one which the command names."""

import json
from pathlib import Path
from typing import Any

from twinslot_sim import vfs
from twinslot_sim.nor import Nor
from twinslot_tools.device_auth import device_key
from twinslot_tools.errors import BadFile
from twinslot_tools.shapes import fits

CONFIG = "/twinslot.json"

_SHAPE = {"server": str, "group": str, "device": str, "key": str}


def adopt(flash: Path, *, server: str, group: str, token: str, device: str) -> None:
    """`flash` is this device of this group, and turns to this server.

    Another address is written into the flash's own config; it stays the same board. Raises `BadFile` when it is another
    board, or none, with nothing changed.
    """
    config = _config(flash)
    if (config["device"], config["group"]) != (device, group):
        raise BadFile(
            f"{flash} is board {config['device']} of group {config['group']}, not {device} of group {group}. "
            "Give its own --device and --group, or another --flash for a new board"
        )
    if config["key"] != device_key(token, device).hex():
        raise BadFile(
            f"{flash} is board {device} of group {group}, provisioned with another token than this --token. "
            "Give that one, or another --flash for a new board"
        )
    if config["server"] != server:
        with Nor(flash) as nor:
            # CUT: the board turns to the old server, or to the new one
            vfs.write_file(nor, CONFIG, json.dumps({**config, "server": server}).encode())


def _config(flash: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads(vfs.read_file(flash, CONFIG))
    except ValueError as error:
        raise BadFile(f"{flash} is no board's: its {CONFIG} is damaged. Give another --flash") from error
    if not fits(config, _SHAPE):
        raise BadFile(f"{flash} is no board's: its {CONFIG} lacks what one needs. Give another --flash")
    return config

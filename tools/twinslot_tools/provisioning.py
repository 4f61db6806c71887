"""A board at a serial port is provisioned: read, planned, written, restarted, and seen by its server."""

import ipaddress
import json
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from twinslot_tools import coming_online, provision
from twinslot_tools.board_facts import Board, one_slot, unfit
from twinslot_tools.board_files import board_files, starter
from twinslot_tools.board_port import BoardPort
from twinslot_tools.device_auth import Session
from twinslot_tools.errors import BoardFailed, NoDevice, UsageError
from twinslot_tools.provision_plan import CA, CONFIG, NEW_CONFIG, Plan, check_space, plan_of

_ANY_FILE = "/lib/twinslot/__init__.mpy"
_SIMULATED = "/dev/pts/"
ONLINE_S = 200.0
"""What Wi-Fi, a connection, and two requests may take at most (firmware/twinslot/http.py)."""


@dataclass(frozen=True)
class Wish:
    """What a board is to be. `device` None: what it is already, or by its chip; `wifi` None: what it has already;
    `ca` is PEM."""

    server: str
    group: str
    token: str
    device: str | None = None
    wifi: dict[str, str] | None = None
    ca: bytes | None = None

    @property
    def tls(self) -> ssl.SSLContext | None:
        """Whom we trust, as the board will: `ca`; None for those whom this machine trusts."""
        return ssl.create_default_context(cadata=self.ca.decode()) if self.ca else None


@dataclass(frozen=True)
class Report:
    """Of the board, what was planned and done. `online`: the server has seen it, running `version`; None: not asked
    for, since its own main.py does not start the agent yet."""

    device: str
    app: str
    board: Board
    plan: Plan
    online: bool | None
    version: str


async def look(port: BoardPort, wish: Wish) -> tuple[Board, Plan, str]:
    """The board, the plan for it as far as it can be known without asking the server, and its device id.

    Nothing was written, and its program runs again. Raises as `carry_out`.
    """
    try:
        board = await _read(port)
        stays = board.settings.get("group") == wish.group
        return board, _plan_without_server(board, _files(wish), stays=stays), _device(wish, board)
    finally:
        await run_on(port)


async def examine(port: BoardPort) -> tuple[Board, Plan, int]:
    """The board, whatever it is, what provisioning would change of it, and the version of our package's bytecode.

    Its program is stopped. Raises as `BoardPort.ask`.
    """
    board = Board.of(*await port.ask("chip", "files"))
    return board, _plan_without_server(board, board_files()), _package_mpy()


async def carry_out(
    port: BoardPort, wish: Wish, say: Callable[[str], None], on_bytes: Callable[[int, int], None]
) -> Report:
    """The board is provisioned, and the server has seen it. `on_bytes` hears what is done, and of how much.

    Raises NoDevice when nothing answers at the port, BoardFailed when the board can't be provisioned, or does not come
    online, ServerRefused when the server does not know the group with that token. As long as nothing was written, the
    board's program runs again then; after that, the same command carries on.
    """
    try:
        board = await _read(port)
        say(f"the board: {board.summary()}")
        if not board.takes_firmware:
            say(one_slot(board))
        device = _device(wish, board)
        session = Session(wish.server, wish.group, wish.token, device, wish.tls)
        group = await provision.group_of(session)
        files = {**_files(wish), **_configuration(wish, group, device, board)}
        was = board.settings.get("group"), board.settings.get("app")
        plan = plan_of(board, files, starter(), stays=was == (group.id, group.app))
        check_space(board, plan)
    except BaseException:
        await run_on(port)
        raise
    count = "1 file" if len(plan.writes) == 1 else f"{len(plan.writes)} files"
    say(f"copying {count}, {-(-plan.size_bytes // 1024)} KiB")
    if plan.ends_tree:
        await port.ask("no_tree")
    await port.copy(plan.writes, plan.folders, plan.removes, lambda done: on_bytes(done, plan.size_bytes))
    on_bytes(plan.size_bytes, plan.size_bytes)
    if NEW_CONFIG in plan.writes:
        await port.ask("keep_wifi")
    await port.reset()
    if plan.keeps_main and not (board.files["/main.py"] or {})["names_us"]:
        return Report(device, group.app, board, plan, None, "")
    say(f"restarted; waiting until {wish.server} sees {device}")
    version = await coming_online.seen(port, session, group.last_seen_at)
    return Report(device, group.app, board, plan, True, version)


def loopback_warning(server: str, port: str) -> str | None:
    """What is wrong with an address that leads a board to itself, and which one would do; None when it is fine."""
    host = urlsplit(server).hostname or ""
    try:
        leads_back = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        leads_back = False
    if not leads_back or port.startswith(_SIMULATED):
        return None
    own = _own_address()
    return (
        f"{server} leads a board to itself, not to this machine. Let the server listen on the network, "
        f"`twinslot serve --host 0.0.0.0`, and give --server {server.replace(host, own, 1)}"
    )


async def _read(port: BoardPort) -> Board:
    """What the board is; raises BoardFailed when it can't be provisioned."""
    board = Board.of(*await port.ask("chip", "files"))
    if reason := unfit(board, _package_mpy()):
        raise BoardFailed(reason)
    return board


def _plan_without_server(board: Board, files: dict[str, bytes], *, stays: bool = True) -> Plan:
    """As far as it can be known without asking the server: the configuration counts as one that differs."""
    return plan_of(board, {**files, CONFIG: b""}, starter(), stays=stays)


def _package_mpy() -> int:
    """The version of the package's bytecode, the second byte of each .mpy (py/persistentcode.c)."""
    return board_files()[_ANY_FILE][1]


def _device(wish: Wish, board: Board) -> str:
    return wish.device or str(board.settings.get("device") or f"esp32-{board.unique_id}")


def _files(wish: Wish) -> dict[str, bytes]:
    """All that is to lie on the board, but for the configuration."""
    return board_files() | ({CA: wish.ca} if wish.ca else {})


def _configuration(wish: Wish, group: provision.Group, device: str, board: Board) -> dict[str, bytes]:
    """The configuration's file. By its time it is a new one each time, so that the board begins anew with its keys."""
    old, version = board.settings, board.version_of(group.app)
    new = provision.configuration(
        group, device, app=group.app, version=version, wifi=wish.wifi, trial_s=provision.TRIAL_S
    )
    new["clock_s"] = int(time.time())
    if wish.ca:
        new["ca"] = CA
    settings = provision.merged(new, old)
    if wish.server.startswith("https:") and not settings.get("ca"):
        raise UsageError(
            f"a board verifies {wish.server} against certificates of its own: give --ca FILE, the server's "
            "certificate or that of whoever signed it, as PEM"
        )
    content = json.dumps(settings).encode()
    return {NEW_CONFIG if settings["wifi"] and not wish.wifi else CONFIG: content}


async def run_on(port: BoardPort) -> None:
    """The board's program runs again, if the board is still there; what went wrong before is what counts."""
    with suppress(NoDevice):
        await port.restart()


def _own_address() -> str:
    """This machine's address on the network that leads furthest; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "ADDRESS"

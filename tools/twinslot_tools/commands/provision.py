"""`twinslot provision`."""

import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from twinslot_tools import provisioning
from twinslot_tools.asked import secret
from twinslot_tools.board_facts import Board, one_slot
from twinslot_tools.board_port import BoardPort
from twinslot_tools.commands.flash import Port
from twinslot_tools.errors import BadFile, UsageError
from twinslot_tools.options import (
    DEFAULT_SERVER,
    Json,
    Server,
    checked_device,
    checked_for_devices,
    checked_group,
    checked_token,
    readable,
    run,
)
from twinslot_tools.output import print_json, printable
from twinslot_tools.output import say as say_on
from twinslot_tools.provision_plan import Plan
from twinslot_tools.provisioning import Report, Wish

SSID_BYTES = 32
LEAST_PASSWORD_BYTES = 8
MOST_PASSWORD_BYTES = 64
"""WPA: 8 to 63 characters, or a key of 64 hexadecimal digits."""
KEEPS_MAIN = """\
/main.py is yours, and stays as it is. Updates need the agent to run: beside tasks of asyncio,

    import asyncio, twinslot
    asyncio.run(twinslot.Agent().run())  # or, in a coroutine: asyncio.create_task(twinslot.Agent().run())

or without asyncio, whenever a restart is welcome,

    import twinslot
    twinslot.update_now()

An exception in a trial should end in machine.reset(), so that the board goes back."""


def provision(
    port: Port,
    group: Annotated[str, typer.Option("--group", metavar="ID", help="The group that the board is to belong to.")],
    wifi: Annotated[
        str | None,
        typer.Option(
            "--wifi",
            metavar="SSID",
            help="The Wi-Fi that it is to join; its password comes from TWINSLOT_WIFI_PASSWORD, or is asked for. "
            "[default: what the board has, or its application connects]",
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(metavar="ID", help="The device's id. [default: what the board has, or esp32- and its chip's id]"),
    ] = None,
    ca: Annotated[
        Path | None,
        typer.Option("--ca", metavar="FILE", help="For https: the certificates that it is to trust, as PEM."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")] = False,
    server: Server = DEFAULT_SERVER,
    json: Json = False,
) -> None:
    """Put Twinslot on a board that runs MicroPython, and wait until the server has seen it.

    The board gets the device package, `boot.py` and `main.py`, its configuration with a key of its own, and, when it
    has no application, a small one to begin with. A `main.py` of yours stays. The group's token comes from
    TWINSLOT_GROUP_TOKEN, or is asked for; it does not go to the board. Running it again is safe: what is there already
    is not copied.
    """
    board_port = BoardPort(port)
    board_port.check()
    checked_group(group)
    checked_for_devices(server)
    pem = None if ca is None else _certificates(ca, server)
    wanted_device = None if device is None else checked_device(device)
    if dry_run:
        _show(*run(provisioning.look(board_port, Wish(server, group, "", wanted_device, None, pem))), json=json)
        return
    token = checked_token(secret("TWINSLOT_GROUP_TOKEN", f"the token of group {group}").strip())
    wish = Wish(server, group, token, wanted_device, _network(wifi), pem)

    def say(line: str) -> None:
        say_on(printable(line), sys.stderr if json else sys.stdout)

    if warning := provisioning.loopback_warning(server, port):
        say_on(f"twinslot: {warning}", sys.stderr)
    say(f"reading the board at {port}")
    with _bar() as on_bytes:
        report = run(provisioning.carry_out(board_port, wish, say, on_bytes))
    _tell(report, wish, json=json)


def _tell(report: Report, wish: Wish, *, json: bool) -> None:
    if json:
        done = {"device": report.device, "group": wish.group, "server": wish.server}
        told = {"online": report.online, "version": report.version or None}
        print_json({**done, **told, "board": _document(report.board), **_changes(report.plan)})
        return
    if report.plan.keeps_main:
        say_on(KEEPS_MAIN)
    if report.online:
        say_on(printable(f"{report.device} is online, running {report.version}"))
        file = "an .app-bin" if report.board.takes_firmware else "what `twinslot bundle DIR` makes"
        say_on(
            printable(
                f"next: twinslot publish FILE --app {report.app} --version V, where FILE is {file}, and V above "
                f"{report.version}"
            )
        )
    else:
        say_on(f"{report.device} is provisioned; it comes online once your main.py starts the agent")


def _show(board: Board, plan: Plan, device: str, *, json: bool) -> None:
    if json:
        print_json({"device": device, "dry_run": True, "board": _document(board), **_changes(plan)})
        return
    say_on(printable(f"the board: {board.summary()}"))
    if not board.takes_firmware:
        say_on(printable(one_slot(board)))
    say_on(printable(f"it would be {device}"))
    for path, content in plan.writes.items():
        say_on(f"write  {path}  {len(content)} bytes" if content else f"write  {path}, when it differs")
    for path in plan.removes:
        say_on(printable(f"remove {path}"))
    if plan.keeps_main:
        say_on("keep   /main.py, which is yours")


def _changes(plan: Plan) -> dict[str, Any]:
    return {"write": list(plan.writes), "remove": list(plan.removes), "keeps_main": plan.keeps_main}


def _document(board: Board) -> dict[str, Any]:
    names = ("chip", "micropython", "slots", "running", "free_bytes", "free_heap")
    return {name: getattr(board, name) for name in names}


def _network(ssid: str | None) -> dict[str, str] | None:
    if ssid is None:
        return None
    if not 0 < len(ssid.encode()) <= SSID_BYTES:
        raise UsageError(f"--wifi: a network's name has 1 to {SSID_BYTES} bytes")
    password = secret("TWINSLOT_WIFI_PASSWORD", f"the password of the Wi-Fi {ssid}")
    if password and not LEAST_PASSWORD_BYTES <= len(password.encode()) <= MOST_PASSWORD_BYTES:
        raise UsageError(
            f"that is no password of a Wi-Fi: it has {LEAST_PASSWORD_BYTES} to {MOST_PASSWORD_BYTES} bytes, or none at "
            "all for an open network"
        )
    return {"ssid": ssid, "password": password}


def _certificates(path: Path, server: str) -> bytes:
    if not server.startswith("https:"):
        raise UsageError(f"--ca is for https, and {server} is not")
    pem = readable(path).read_bytes()
    try:
        # None at all would not be refused by a context that has others to trust.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem.decode("ascii"))
    except (ValueError, ssl.SSLError) as error:
        raise BadFile(f"{path} holds no certificates as PEM, which begin with -----BEGIN CERTIFICATE-----") from error
    if b"PRIVATE KEY-----" in pem:
        raise BadFile(f"{path} holds a private key too, which no board may have: give a file of certificates alone")
    return pem


@contextmanager
def _bar() -> Iterator[Any]:
    """A bar on standard error, when somebody looks."""
    errors = Console(stderr=True)
    columns = (TextColumn("copying"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as progress:
        task = progress.add_task("copying", total=None, visible=False)
        yield lambda done, total: progress.update(task, completed=done, total=total, visible=done < total)

"""`twinslot device` and `twinslot explain`: what the server knows of each device, and why it gets what it gets."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from twinslot_tools import client, shapes
from twinslot_tools.options import DEFAULT_SERVER, Json, Server, checked_segment
from twinslot_tools.output import print_facts, print_json, print_table, text
from twinslot_tools.output import show as show_line

app = typer.Typer(no_args_is_help=True, help="Devices: what they run, and what happened to them.")

Device = Annotated[str, typer.Argument(metavar="ID", help="The device's id.")]


@app.command("list", epilog="Example: twinslot device list --json | jq '.items[].version'")
def list_(server: Server = DEFAULT_SERVER, json: Json = False) -> None:
    """List the devices."""
    devices = client.everything(server, "/devices", shapes.DEVICE)
    if json:
        print_json(devices)
        return
    rows = [
        [
            device["id"],
            device["group_name"],
            device["app"],
            device["version"],
            device["state"],
            _result(device["last_result"]),
            device["last_seen_at"],
        ]
        for device in devices["items"]
    ]
    columns = ("id", "group", "app", "version", "state", "last result", "last seen")
    print_table("devices", columns, rows, "no devices yet: `twinslot sim` starts a simulated one")


@app.command(epilog="Example: twinslot device show kettle-1")
def show(device: Device, server: Server = DEFAULT_SERVER, json: Json = False) -> None:
    """Show one device and its latest events."""
    facts = client.request(server, "GET", _path(device), shapes.DEVICE_WITH_EVENTS)
    if json:
        print_json(facts)
        return
    events = facts.pop("events", [])
    print_facts(f"device {device}", {**facts, "last_result": _result(facts.get("last_result"))})
    columns = ("at", "event", "version", "sequence", "reason")
    print_table("events", columns, [[event.get(column) for column in columns] for event in events], "no events yet")


def explain(device: Device, server: Server = DEFAULT_SERVER, json: Json = False) -> None:
    """Say which release a device is offered, and for every other one why it is not."""
    answer = client.request(server, "GET", f"{_path(device)}/explain", shapes.EXPLANATION)
    if json:
        print_json(answer)
        return
    offer = answer["offer"]
    headline = f"{device} is offered {offer['version']}" if offer else f"{device} is offered nothing"
    show_line(f"{headline}: {answer['reason']}")
    rows = [[item["version"], item["sequence"], item["offered"], item["reason"]] for item in answer["releases"]]
    print_table("releases", ("version", "sequence", "offered", "why"), rows, "there are no releases of its application")


def _path(device: str) -> str:
    return f"/devices/{quote(checked_segment('a device', device), safe='')}"


def _result(result: dict[str, Any] | None) -> str:
    if not result:
        return text(None)
    reason = f" ({result['reason']})" if result.get("reason") else ""
    return f"{result['event']} {result['version']}{reason}"

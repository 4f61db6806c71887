"""`twinslot device` and `twinslot explain`: what the server knows of each device, and why it gets what it gets."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from twinslot_tools import client, shapes
from twinslot_tools.commands.named import ATTRIBUTE_HELP, Device, Group, attributes, device_path, say_deleted
from twinslot_tools.manifests import in_words
from twinslot_tools.options import DEFAULT_SERVER, Json, Server, checked_name
from twinslot_tools.output import print_facts, print_json, print_table, text
from twinslot_tools.output import show as show_line

app = typer.Typer(no_args_is_help=True, help="Devices: what they run, what happened to them, and what you say of them.")


class State(StrEnum):
    """What a device is at."""

    IDLE = "idle"
    TRIAL = "trial"
    SAFE = "safe"


@app.command("list", epilog="Example: twinslot device list --tag kitchen --json | jq '.items[].version'")
def list_(
    search: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="With this in the id, version, application, group's name or a tag."),
    ] = None,
    group: Annotated[str | None, typer.Option(metavar="GROUP", help="Of the group with this id.")] = None,
    tag: Annotated[str | None, typer.Option(metavar="TAG", help="With exactly this tag.")] = None,
    state: Annotated[State | None, typer.Option(help="In this state.")] = None,
    sort: Annotated[
        str,
        typer.Option(
            metavar="WHAT", help="By id, version, app, group, last_seen_at or created_at; -WHAT has the last first."
        ),
    ] = "id",
    server: Server = DEFAULT_SERVER,
    json: Json = False,
) -> None:
    """List the devices, or those that are asked for."""
    asked = {"search": search, "group": group, "tag": tag, "state": state and state.value, "sort": sort}
    where = {name: value for name, value in asked.items() if value is not None}
    devices = client.everything(server, "/devices", shapes.DEVICE, where)
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
    print_table("devices", columns, rows, "no such devices: `twinslot sim` starts a simulated one")


@app.command(epilog="Example: twinslot device show kettle-1")
def show(device: Device, server: Server = DEFAULT_SERVER, json: Json = False) -> None:
    """Show one device and its latest events."""
    _print(client.request(server, "GET", device_path(device), shapes.DEVICE_WITH_EVENTS), json=json)


@app.command(epilog="Example: twinslot device tag kettle-1 kitchen early")
def tag(
    device: Device,
    tags: Annotated[
        list[str] | None, typer.Argument(metavar="TAG", help="The tags that it has from now on; none: no tag.")
    ] = None,
    server: Server = DEFAULT_SERVER,
    json: Json = False,
) -> None:
    """Give a device these tags, in the place of all that it had."""
    _change(server, device, {"tags": [checked_name("a tag", each) for each in tags or []]}, json=json)


@app.command("set", epilog="Example: twinslot device set kettle-1 room=kitchen floor=3")
def set_(
    device: Device,
    pairs: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME=VALUE", help=f"The attributes that it has from now on. {ATTRIBUTE_HELP}"),
    ] = None,
    server: Server = DEFAULT_SERVER,
    json: Json = False,
) -> None:
    """Give a device these attributes, in the place of all that it had."""
    _change(server, device, {"attributes": attributes(pairs or [])}, json=json)


@app.command(epilog="Example: twinslot device move kettle-1 0123456789abcdef01234567")
def move(device: Device, group: Group, server: Server = DEFAULT_SERVER, json: Json = False) -> None:
    """Move a device to another group with the same application and keys; it need not be provisioned again."""
    _change(server, device, {"group": group}, json=json)


@app.command(epilog="Example: twinslot device delete kettle-1")
def delete(device: Device, server: Server = DEFAULT_SERVER, json: Json = False) -> None:
    """Delete a device and its history; a board that still checks in is there again, as a new one."""
    client.request(server, "DELETE", device_path(device), type(None))
    say_deleted("device", device, json=json)


def explain(device: Device, server: Server = DEFAULT_SERVER, json: Json = False) -> None:
    """Say which release a device is offered, and for every other one why it is not."""
    answer = client.request(server, "GET", f"{device_path(device)}/explain", shapes.EXPLANATION)
    if json:
        print_json(answer)
        return
    offer = answer["offer"]
    headline = f"{device} is offered {offer['version']}" if offer else f"{device} is offered nothing"
    show_line(f"{headline}: {answer['reason']}")
    if offer and offer["transfer"]:
        size_bytes = offer["transfer"]["size"]
        if offer["transfer"]["base"]:
            show_line(f"it downloads {size_bytes} bytes: what the image that it runs lacks")
        else:
            show_line(f"it downloads at most {size_bytes} bytes")
    rows = [[item["version"], item["sequence"], item["offered"], item["reason"]] for item in answer["releases"]]
    print_table("releases", ("version", "sequence", "offered", "why"), rows, "there are no releases of its application")


def _change(server: str, device: str, change: dict[str, Any], *, json: bool) -> None:
    changed = client.request(server, "PATCH", device_path(device), shapes.DEVICE_WITH_EVENTS, json=change)
    _print(changed, json=json)


def _print(facts: dict[str, Any], *, json: bool) -> None:
    if json:
        print_json(facts)
        return
    events = facts.pop("events")
    print_facts(f"device {facts['id']}", in_words(facts) | {"last_result": _result(facts.get("last_result"))})
    columns = ("at", "event", "version", "sequence", "reason")
    print_table("events", columns, [[event.get(column) for column in columns] for event in events], "no events yet")


def _result(result: dict[str, Any] | None) -> str:
    if not result:
        return text(None)
    reason = f" ({result['reason']})" if result.get("reason") else ""
    return f"{result['event']} {result['version']}{reason}"

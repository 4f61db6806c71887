"""`twinslot group`: the groups that devices belong to."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from twinslot_tools import client, shapes
from twinslot_tools.commands import group_tokens
from twinslot_tools.commands.named import Group, group_path, say_deleted
from twinslot_tools.errors import UsageError
from twinslot_tools.options import DEFAULT_SERVER, Json, Server, checked_app, checked_name, checked_version
from twinslot_tools.output import print_facts, print_json, print_table, say
from twinslot_tools.signing import load_public_pem

app = typer.Typer(no_args_is_help=True, help="Groups of devices: one application, one token, one set of trusted keys.")

LONGEST_POLL_S = 86_400


class Trust(StrEnum):
    """Whose signature a group's devices accept."""

    SERVER = "server"
    PUBLISHER = "publisher"


@app.command(epilog="Example: twinslot group create kitchen --app kettle")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The group's name, for people.")],
    application: Annotated[str, typer.Option("--app", help="The application that its devices run.")],
    trust: Annotated[
        Trust, typer.Option(help="Who signs: the server's own key, or publishers' keys alone.")
    ] = Trust.SERVER,
    key: Annotated[
        list[Path] | None,
        typer.Option(
            "--key", metavar="FILE.pub", help="A publisher's public key, with --trust publisher; may be repeated."
        ),
    ] = None,
    server: Server = DEFAULT_SERVER,
    json: Json = False,
) -> None:
    """Create a group and print its token, which is shown this once and never again."""
    if (trust is Trust.PUBLISHER) != bool(key):
        raise UsageError("--trust publisher and --key FILE.pub go together: give both or neither")
    body = {
        "name": checked_name("a group", name),
        "app": checked_app(application),
        "trust": trust.value,
        "keys": [load_public_pem(path) for path in key or []],
    }
    group = client.request(server, "POST", "/groups", shapes.NEW_GROUP, json=body)
    if json:
        print_json(group)
        return
    print_facts(f"group {name}", {field: group.get(field) for field in ("id", "app", "trust", "token")})
    say("The token is not shown again: it is what boards of this group are provisioned with.")


@app.command("list", epilog="Example: twinslot group list")
def list_(server: Server = DEFAULT_SERVER, json: Json = False) -> None:
    """List the groups."""
    groups = client.everything(server, "/groups", shapes.GROUP)
    if json:
        print_json(groups)
        return
    columns = ("id", "name", "app", "trust", "devices", "target")
    rows = [[group.get(column) for column in columns] for group in groups["items"]]
    print_table("groups", columns, rows, "no groups yet: `twinslot group create NAME --app APP` makes one")


@app.command(epilog="Example: twinslot group show 0123456789abcdef01234567")
def show(group: Group, server: Server = DEFAULT_SERVER, json: Json = False) -> None:
    """Show one group: its check-in interval, the version it is held at, the keys it trusts."""
    _print(client.request(server, "GET", group_path(group), shapes.GROUP), json=json)


@app.command(epilog="Example: twinslot group update 0123456789abcdef01234567 --poll 300 --target 1.1.0")
def update(
    group: Group,
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    poll: Annotated[
        int | None,
        typer.Option(min=1, max=LONGEST_POLL_S, metavar="SECONDS", help="How often its devices check in."),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(metavar="VERSION", help="Hold its devices at exactly this release, be it older or newer."),
    ] = None,
    no_target: Annotated[bool, typer.Option("--no-target", help="Hold them at none any longer.")] = False,
    server: Server = DEFAULT_SERVER,
    json: Json = False,
) -> None:
    """Change a group's name or check-in interval, or the version that its devices are held at."""
    if target is not None and no_target:
        raise UsageError("--target and --no-target exclude each other")
    change: dict[str, Any] = {}
    if name is not None:
        change["name"] = checked_name("a group", name)
    if poll is not None:
        change["poll_s"] = poll
    if target is not None or no_target:
        change["target"] = None if target is None else checked_version(target)
    if not change:
        raise UsageError("nothing to change: give --name, --poll, --target or --no-target")
    _print(client.request(server, "PATCH", group_path(group), shapes.GROUP, json=change), json=json)


@app.command(epilog="Example: twinslot group delete 0123456789abcdef01234567")
def delete(group: Group, server: Server = DEFAULT_SERVER, json: Json = False) -> None:
    """Delete a group that no device belongs to any more."""
    client.request(server, "DELETE", group_path(group), type(None))
    say_deleted("group", group, json=json)


app.command(epilog="Example: twinslot group token 0123456789abcdef01234567")(group_tokens.token)
app.command(epilog="Example: twinslot group tokens 0123456789abcdef01234567")(group_tokens.tokens)
app.command(epilog="Example: twinslot group rotate 0123456789abcdef01234567 --grace 604800")(group_tokens.rotate)
app.command(epilog="Example: twinslot group revoke 0123456789abcdef01234567 TOKEN_ID")(group_tokens.revoke)


def _print(group: dict[str, Any], *, json: bool) -> None:
    if json:
        print_json(group)
    else:
        print_facts(f"group {group['name']}", group)

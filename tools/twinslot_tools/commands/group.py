"""`twinslot group`: the groups that devices belong to."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from twinslot_tools import client
from twinslot_tools.errors import UsageError
from twinslot_tools.options import DEFAULT_SERVER, Json, Server, checked_app
from twinslot_tools.output import print_facts, print_json, print_table
from twinslot_tools.signing import load_public_pem

app = typer.Typer(no_args_is_help=True, help="Groups of devices: one application, one token, one set of trusted keys.")


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
        "name": name,
        "app": checked_app(application),
        "trust": trust.value,
        "keys": [load_public_pem(path) for path in key or []],
    }
    group = client.request(server, "POST", "/groups", json=body)
    if json:
        print_json(group)
        return
    print_facts(f"group {name}", {field: group.get(field) for field in ("id", "app", "trust", "token")})
    print("The token is not shown again: it is what boards of this group are provisioned with.")


@app.command("list", epilog="Example: twinslot group list")
def list_(server: Server = DEFAULT_SERVER, json: Json = False) -> None:
    """List the groups."""
    groups = client.everything(server, "/groups")
    if json:
        print_json(groups)
        return
    columns = ("id", "name", "app", "trust", "devices")
    rows = [[group.get(column) for column in columns] for group in groups["items"]]
    print_table("groups", columns, rows, "no groups yet: `twinslot group create NAME --app APP` makes one")

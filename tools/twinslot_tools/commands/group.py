"""`twinslot group`: the groups that devices belong to."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from twinslot_tools import client, shapes
from twinslot_tools.errors import UsageError
from twinslot_tools.options import DEFAULT_SERVER, Json, Server, checked_app, checked_name, checked_segment
from twinslot_tools.output import print_facts, print_json, print_table, say
from twinslot_tools.signing import load_public_pem

app = typer.Typer(no_args_is_help=True, help="Groups of devices: one application, one token, one set of trusted keys.")


Group = Annotated[str, typer.Argument(metavar="GROUP", help="The group's id.")]


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
    columns = ("id", "name", "app", "trust", "devices")
    rows = [[group.get(column) for column in columns] for group in groups["items"]]
    print_table("groups", columns, rows, "no groups yet: `twinslot group create NAME --app APP` makes one")


@app.command("token", epilog="Example: twinslot group token 0123456789abcdef01234567")
def token(group: Group, server: Server = DEFAULT_SERVER, json: Json = False) -> None:
    """Make a further token of a group and print it, this once; the others stay good."""
    made = client.request(server, "POST", _tokens(group), shapes.NEW_TOKEN)
    if json:
        print_json(made)
        return
    print_facts(f"token of group {group}", {field: made[field] for field in ("id", "token", "created_at")})
    say("The token is not shown again. Boards that have the old one go on with it until that is revoked.")


@app.command("tokens", epilog="Example: twinslot group tokens 0123456789abcdef01234567")
def tokens(group: Group, server: Server = DEFAULT_SERVER, json: Json = False) -> None:
    """List the tokens of a group: when each was made and revoked, not what they are."""
    known = client.everything(server, _tokens(group), shapes.TOKEN)
    if json:
        print_json(known)
        return
    columns = ("id", "created_at", "revoked_at")
    print_table("tokens", columns, [[each[column] for column in columns] for each in known["items"]], "no tokens")


@app.command(epilog="Example: twinslot group revoke 0123456789abcdef01234567 TOKEN_ID")
def revoke(
    group: Group,
    token_id: Annotated[
        str, typer.Argument(metavar="TOKEN_ID", help="The token's id, as `twinslot group tokens` shows it.")
    ],
    server: Server = DEFAULT_SERVER,
    json: Json = False,
) -> None:
    """Revoke a token: boards that were provisioned with it are refused from now on."""
    path = f"{_tokens(group)}/{quote(checked_segment('a token', token_id), safe='')}"
    client.request(server, "DELETE", path, type(None))
    if json:
        print_json({"group": group, "revoked": token_id})
    else:
        say(f"revoked token {token_id}")


def _tokens(group: str) -> str:
    return f"/groups/{quote(checked_segment('a group', group), safe='')}/tokens"

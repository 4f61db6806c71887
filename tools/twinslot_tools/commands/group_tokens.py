"""`twinslot group token`, `tokens`, `rotate` and `revoke`: what a group's boards are provisioned with."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from twinslot_tools import client, shapes
from twinslot_tools.commands.named import Group, group_path
from twinslot_tools.options import DEFAULT_SERVER, Json, Server, checked_segment
from twinslot_tools.output import print_facts, print_json, print_table, say

LONGEST_GRACE_S = 31_536_000


def token(group: Group, server: Server = DEFAULT_SERVER, json: Json = False) -> None:
    """Make a further token of a group and print it, this once; the others stay good."""
    made = client.request(server, "POST", _tokens(group), shapes.NEW_TOKEN)
    _print(group, made, "Boards that have the old one go on with it until that is revoked.", json=json)


def tokens(group: Group, server: Server = DEFAULT_SERVER, json: Json = False) -> None:
    """List a group's tokens: when each was made and ends, how many devices use it, not what it is."""
    known = client.everything(server, _tokens(group), shapes.TOKEN)
    if json:
        print_json(known)
        return
    columns = ("id", "created_at", "expires_at", "revoked_at", "devices")
    print_table("tokens", columns, [[each[column] for column in columns] for each in known["items"]], "no tokens")


def rotate(
    group: Group,
    grace: Annotated[
        int,
        typer.Option(
            min=0, max=LONGEST_GRACE_S, metavar="SECONDS", help="How long the old tokens are still good; 0: not at all."
        ),
    ],
    server: Server = DEFAULT_SERVER,
    json: Json = False,
) -> None:
    """Make a new token of a group and print it, this once; every other one ends when the grace period is over.

    Boards that were provisioned with an old token are refused from then on, so provision them again before; `twinslot
    group tokens` shows how many still use it.
    """
    made = client.request(server, "POST", f"{_tokens(group)}/rotate", shapes.NEW_TOKEN, json={"grace_s": grace})
    ending = f"Boards that have an old one are refused in {grace} s." if grace else "The old ones are refused now."
    _print(group, made, ending, json=json)


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
    return f"{group_path(group)}/tokens"


def _print(group: str, made: dict[str, Any], others: str, *, json: bool) -> None:
    if json:
        print_json(made)
        return
    print_facts(f"token of group {group}", {field: made[field] for field in ("id", "token", "created_at")})
    say(f"The token is not shown again. {others}")

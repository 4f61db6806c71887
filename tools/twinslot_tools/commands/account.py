"""`twinslot account`: accounts beside the server's first one, each with its own groups, devices and users."""

from typing import Annotated

import typer

from twinslot_tools import client, shapes
from twinslot_tools.options import DEFAULT_SERVER, Json, Server, checked_name
from twinslot_tools.output import print_facts, print_json, print_table, say

app = typer.Typer(no_args_is_help=True, help="Accounts: who owns groups, devices and applications.")


@app.command(epilog="Example: twinslot account create workshop")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The account's name, for people.")],
    server: Server = DEFAULT_SERVER,
    json: Json = False,
) -> None:
    """Create an account and print the link that makes its first user, which is shown this once.

    Only a token of the server's first account may.
    """
    body = {"name": checked_name("an account", name)}
    made = client.request(server, "POST", "/accounts", shapes.NEW_ACCOUNT, json=body)
    if json:
        print_json(made)
        return
    print_facts(f"account {name}", {field: made[field] for field in ("id", "name", "setup_link")})
    if made["setup_link"] is not None:
        say("The link is not shown again. Give it to whoever the account is for; it works once.")


@app.command("list", epilog="Example: twinslot account list --json | jq '.items[].id'")
def list_(server: Server = DEFAULT_SERVER, json: Json = False) -> None:
    """List the server's accounts, the first one first."""
    accounts = client.everything(server, "/accounts", shapes.ACCOUNT)
    if json:
        print_json(accounts)
        return
    columns = ("id", "name", "group_ota", "created_at")
    rows = [[each[column] for column in columns] for each in accounts["items"]]
    print_table("accounts", columns, rows, "no accounts")

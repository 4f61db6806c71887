"""`twinslot workflow`: commands that are kept, to be submitted as jobs again and again."""

from typing import Annotated, Any

import typer

from twinslot_tools import client, shapes
from twinslot_tools.commands.named import say_deleted, workflow_path
from twinslot_tools.options import DEFAULT_SERVER, Json, Server
from twinslot_tools.output import print_facts, print_json, print_table

app = typer.Typer(no_args_is_help=True, help="Workflows: commands with a name, for `twinslot job submit --workflow`.")

Workflow = Annotated[str, typer.Argument(metavar="WORKFLOW", help="The workflow's id.")]


@app.command(epilog="Example: twinslot workflow create print-date date")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What people call it.")],
    command: Annotated[str, typer.Argument(metavar="COMMAND", help="What a device is to do, such as 'ls -l /'.")],
    server: Server = DEFAULT_SERVER,
    json: Json = False,
) -> None:
    """Keep a command."""
    body = {"name": name, "command": command}
    _print(client.request(server, "POST", "/workflows", shapes.WORKFLOW, json=body), json=json)


@app.command("list", epilog="Example: twinslot workflow list")
def list_(server: Server = DEFAULT_SERVER, json: Json = False) -> None:
    """List the workflows, in the order in which they were made."""
    workflows = client.everything(server, "/workflows", shapes.WORKFLOW)
    if json:
        print_json(workflows)
        return
    columns = ("id", "name", "command", "created_at")
    rows = [[each[column] for column in columns] for each in workflows["items"]]
    print_table("workflows", columns, rows, "no workflows yet: `twinslot workflow create NAME COMMAND` makes one")


@app.command(epilog="Example: twinslot workflow show 678edc16-96d1-4ea2-a99c-0474c2449381")
def show(workflow: Workflow, server: Server = DEFAULT_SERVER, json: Json = False) -> None:
    """Show one workflow."""
    _print(client.request(server, "GET", workflow_path(workflow), shapes.WORKFLOW), json=json)


@app.command(epilog="Example: twinslot workflow delete 678edc16-96d1-4ea2-a99c-0474c2449381")
def delete(workflow: Workflow, server: Server = DEFAULT_SERVER, json: Json = False) -> None:
    """Delete a workflow; jobs that were submitted with it go on."""
    client.request(server, "DELETE", workflow_path(workflow), type(None))
    say_deleted("workflow", workflow, json=json)


def _print(facts: dict[str, Any], *, json: bool) -> None:
    if json:
        print_json(facts)
    else:
        print_facts(f"workflow {facts['name']}", facts)

"""`twinslot filter`: which devices a targeted release goes out to."""

import math
from typing import Annotated, Any

import typer

from twinslot_tools import client, shapes
from twinslot_tools.commands.named import ATTRIBUTE_HELP, attributes, filter_path, say_deleted
from twinslot_tools.errors import UsageError
from twinslot_tools.options import DEFAULT_SERVER, Json, Server, checked_name
from twinslot_tools.output import print_facts, print_json, print_table, text

app = typer.Typer(
    no_args_is_help=True,
    help="Filters: which devices a targeted release goes out to. A device must match every part that a filter has.",
)

Filter = Annotated[str, typer.Argument(metavar="FILTER", help="The filter's id.")]
Groups = Annotated[
    list[str] | None,
    typer.Option("--group", metavar="GROUP", help="In the group with this id; repeated: in any of them."),
]
Tags = Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="With this tag; repeated: with all.")]
Pairs = Annotated[
    list[str] | None,
    typer.Option(
        "--attribute", metavar="NAME=VALUE", help=f"With this attribute; repeated: with all. {ATTRIBUTE_HELP}"
    ),
]
Percentage = Annotated[
    float | None,
    typer.Option(min=0, max=100, metavar="P", help="In this part of all devices; when it grows, who is in stays in."),
]


@app.command(epilog="Example: twinslot filter create early-birds --tag early --percentage 10")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The filter's name, for people.")],
    group: Groups = None,
    tag: Tags = None,
    attribute: Pairs = None,
    percentage: Percentage = None,
    server: Server = DEFAULT_SERVER,
    json: Json = False,
) -> None:
    """Create a filter; without any option it matches every device."""
    body = {"name": checked_name("a filter", name), "predicate": _predicate(group, tag, attribute, percentage)}
    _print(client.request(server, "POST", "/filters", shapes.FILTER, json=body), json=json)


@app.command("list", epilog="Example: twinslot filter list")
def list_(server: Server = DEFAULT_SERVER, json: Json = False) -> None:
    """List the filters, and what each asks for."""
    filters = client.everything(server, "/filters", shapes.FILTER)
    if json:
        print_json(filters)
        return
    rows = [[each["id"], each["name"], _words(each["predicate"])] for each in filters["items"]]
    empty = "no filters yet: `twinslot filter create NAME --percentage 10` makes one"
    print_table("filters", ("id", "name", "matches"), rows, empty)


@app.command(epilog="Example: twinslot filter update 3f0c1c1e-8a52-4f0e-9d53-5d1f6c0f7a10 --percentage 50")
def update(
    which: Filter,
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    group: Groups = None,
    tag: Tags = None,
    attribute: Pairs = None,
    percentage: Percentage = None,
    server: Server = DEFAULT_SERVER,
    json: Json = False,
) -> None:
    """Change parts of a filter; those that are not given stay as they are."""
    parts = _predicate(group, tag, attribute, percentage)
    if name is None and not parts:
        raise UsageError("nothing to change: give --name, --group, --tag, --attribute or --percentage")
    path = filter_path(which)
    old = client.request(server, "GET", path, shapes.FILTER)
    body = {
        "name": old["name"] if name is None else checked_name("a filter", name),
        "predicate": {**old["predicate"], **parts},
    }
    _print(client.request(server, "PUT", path, shapes.FILTER, json=body), json=json)


@app.command(epilog="Example: twinslot filter delete 3f0c1c1e-8a52-4f0e-9d53-5d1f6c0f7a10")
def delete(which: Filter, server: Server = DEFAULT_SERVER, json: Json = False) -> None:
    """Delete a filter that no release goes out to."""
    client.request(server, "DELETE", filter_path(which), type(None))
    say_deleted("filter", which, json=json)


def _predicate(
    groups: list[str] | None, tags: list[str] | None, pairs: list[str] | None, percentage: float | None
) -> dict[str, Any]:
    if percentage is not None and not math.isfinite(percentage):
        raise UsageError(f"--percentage {percentage} is no number from 0 to 100")
    parts = {
        "groups": groups or None,
        "tags": [checked_name("a tag", each) for each in tags or []] or None,
        "attributes": attributes(pairs or []) or None,
        "percentage": percentage,
    }
    return {name: value for name, value in parts.items() if value is not None}


def _print(made: dict[str, Any], *, json: bool) -> None:
    if json:
        print_json(made)
    else:
        print_facts(f"filter {made['name']}", {**made, "predicate": _words(made["predicate"])})


def _words(predicate: dict[str, Any]) -> str:
    return "; ".join(f"{name} {text(value)}" for name, value in predicate.items()) or "every device"

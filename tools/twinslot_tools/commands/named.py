"""The groups, devices, filters and packages that commands are told of, and what they are told of them."""

import json
import math
from typing import Annotated, Any
from urllib.parse import quote

import typer

from twinslot_tools.errors import UsageError
from twinslot_tools.options import checked_segment
from twinslot_tools.output import print_json, say

Group = Annotated[str, typer.Argument(metavar="GROUP", help="The group's id.")]
Device = Annotated[str, typer.Argument(metavar="ID", help="The device's id.")]

ATTRIBUTE_HELP = 'A VALUE of digits is a number, true and false are themselves, all else is text; so is "1" in quotes.'


def group_path(group: str) -> str:
    """Where the management API has the group."""
    return _path("group", group)


def device_path(device: str) -> str:
    """Where the management API has the device."""
    return _path("device", device)


def filter_path(filter_id: str) -> str:
    """Where the management API has the filter."""
    return _path("filter", filter_id)


def package_path(package: str) -> str:
    """Where the management API has the package."""
    return _path("package", package)


def workflow_path(workflow: str) -> str:
    """Where the management API has the workflow."""
    return _path("workflow", workflow)


def job_path(job: str) -> str:
    """Where the management API has the job."""
    return _path("job", job)


def attributes(pairs: list[str]) -> dict[str, Any]:
    """The attributes that NAME=VALUE pairs tell of. Raises `UsageError` for what is no pair."""
    told = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not name or not sign:
            raise UsageError(f"{pair!r} is no attribute: give NAME=VALUE, such as room=kitchen")
        told[name] = _value(value)
    return told


def say_deleted(what: str, which: str, *, json: bool) -> None:
    """It is said that `which`, a `what`, is gone."""
    if json:
        print_json({"deleted": which})
    else:
        say(f"deleted {what} {which}")


def _path(what: str, which: str) -> str:
    return f"/{what}s/{quote(checked_segment(f'a {what}', which), safe='')}"


def _value(text: str) -> str | int | float | bool:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return text

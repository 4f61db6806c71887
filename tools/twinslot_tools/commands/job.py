"""`twinslot job`: commands that devices run, each in the order in which they were submitted."""

from typing import Annotated, Any

import typer

from twinslot_tools import client, jobs, shapes
from twinslot_tools.commands.named import job_path
from twinslot_tools.errors import OperationFailed, UsageError
from twinslot_tools.options import DEFAULT_SERVER, Json, Server, bearer_token, run
from twinslot_tools.output import print_facts, print_json, print_table, say
from twinslot_tools.watching import goes_on

app = typer.Typer(no_args_is_help=True, help="Jobs: a command for a device, a group or a tag, and what came of it.")

LONGEST_TIMEOUT_S = 86_400
LONGEST_NAME = 128

Job = Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")]


@app.command(epilog="Example: twinslot job submit --device kettle-1 --wait 'ls -l /'")
def submit(
    command: Annotated[
        str | None, typer.Argument(metavar="COMMAND", help="What a device is to do, such as 'ls -l /'.")
    ] = None,
    workflow: Annotated[
        str | None, typer.Option(metavar="WORKFLOW", help="The command of the workflow with this id, in place of one.")
    ] = None,
    device: Annotated[str | None, typer.Option(metavar="DEVICE", help="For the device with this id.")] = None,
    group: Annotated[
        str | None, typer.Option(metavar="GROUP", help="For the devices that the group with this id has now.")
    ] = None,
    tag: Annotated[str | None, typer.Option(metavar="TAG", help="For the devices that have this tag now.")] = None,
    name: Annotated[str | None, typer.Option(help="What people call it. [default: COMMAND, or the WORKFLOW]")] = None,
    timeout: Annotated[
        int, typer.Option(min=1, max=LONGEST_TIMEOUT_S, metavar="SECONDS", help="How long it may take on a device.")
    ] = 600,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until it is over everywhere, and print what it printed.")
    ] = False,
    server: Server = DEFAULT_SERVER,
    json: Json = False,
) -> None:
    """Have a command run, on each device after what was submitted before; one that is away does it when it is back.

    With --wait the exit code is 1 unless every device has succeeded. Ctrl-C ends the waiting, and so does a server
    that is away for a minute; the job goes on.
    """
    what = _one({"command": command, "workflow": workflow}, "give a COMMAND or --workflow, and not both")
    whom = _one({"device": device, "group": group, "tag": tag}, "give one of --device, --group and --tag")
    called = (command or workflow or "")[:LONGEST_NAME] if name is None else name
    body = {"name": called, "timeout": timeout, **what, **whom}
    job = client.request(server, "POST", "/jobs", shapes.JOB, json=body)
    if not wait:
        _print(job, json=json)
        return
    with goes_on(f"job {job['id']}"), jobs.progress() as on_change:
        job = run(_ended(server, job["id"], on_change))
    _print_with_children(job, json=json)
    _check_succeeded(job)


@app.command("list", epilog="Example: twinslot job list --json | jq '.items[].states'")
def list_(server: Server = DEFAULT_SERVER, json: Json = False) -> None:
    """List the jobs, the last one submitted first."""
    listed = client.everything(server, "/jobs", shapes.JOB)
    if json:
        print_json(listed)
        return
    columns = ("id", "name", "command", "for", "submitted", "devices")
    rows = [
        [each["id"], each["name"], each["command"], _target(each), each["created_at"], jobs.summary(each)]
        for each in listed["items"]
    ]
    print_table("jobs", columns, rows, "no jobs yet: `twinslot job submit --device ID COMMAND` makes one")


@app.command(epilog="Example: twinslot job show 4cad67dd-ab67-42ee-a293-4db493cab9ea")
def show(job: Job, server: Server = DEFAULT_SERVER, json: Json = False) -> None:
    """Show one job, and what each of its devices has printed so far."""
    shown = run(_shown(server, job))
    if not json:
        _print(shown, json=False)
    _print_with_children(shown, json=json)


@app.command(epilog="Example: twinslot job cancel 4cad67dd-ab67-42ee-a293-4db493cab9ea")
def cancel(job: Job, server: Server = DEFAULT_SERVER, json: Json = False) -> None:
    """Cancel a job where it is queued, stop it where it runs, and take it from the list."""
    client.request(server, "DELETE", job_path(job), type(None))
    if json:
        print_json({"cancelled": job})
    else:
        say(f"cancelled job {job}")


async def _ended(server: str, job: str, on_change: jobs.OnChange) -> dict[str, Any]:
    async with client.session(server, bearer_token(server)) as http:
        return await jobs.ended(http, client.api(server, job_path(job)), on_change)


async def _shown(server: str, job: str) -> dict[str, Any]:
    async with client.session(server, bearer_token(server)) as http:
        url = client.api(server, job_path(job))
        return await jobs.with_children(http, url, await client.call(http, "GET", url, shapes.JOB))


def _one(given: dict[str, str | None], otherwise: str) -> dict[str, str]:
    """The one that is given. Raises `UsageError` when there are none or more."""
    there = {name: value for name, value in given.items() if value is not None}
    if len(there) != 1:
        raise UsageError(otherwise)
    return there


def _check_succeeded(job: dict[str, Any]) -> None:
    others = sum(each["state"] != "succeeded" for each in job["children"])
    if others:
        raise OperationFailed(f"{others} of {len(job['children'])} devices did not succeed")


def _print(job: dict[str, Any], *, json: bool) -> None:
    if json:
        print_json(job)
        return
    facts = {name: value for name, value in job.items() if name not in ("target", "target_name", "children")}
    print_facts(f"job {job['name']}", {**facts, "for": _target(job), "states": jobs.summary(job)})


def _print_with_children(job: dict[str, Any], *, json: bool) -> None:
    if json:
        print_json(job)
    else:
        jobs.say_children(job)


def _target(job: dict[str, Any]) -> str:
    return f"{job['target']} {job['target_name']}"

"""`twinslot package`: packages on the server, and on devices."""

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import aiohttp
import typer

from twinslot_tools import client, operations, packaging, shapes
from twinslot_tools.commands.named import package_path, say_deleted
from twinslot_tools.errors import OperationFailed, UsageError
from twinslot_tools.options import DEFAULT_SERVER, Json, Server, bearer_token, checked_device, readable, run
from twinslot_tools.output import print_facts, print_json, print_table, say, text
from twinslot_tools.uploading import progress_bar
from twinslot_tools.watching import goes_on

app = typer.Typer(
    no_args_is_help=True,
    help="Packages, as mip knows them: files for a board's file system. Upload, install and remove them.",
)

LONGEST_S = 300.0
SILENCE_S = 30  # more than the server takes to answer
UPLOADED = "package:"

Device = Annotated[str, typer.Argument(metavar="DEVICE", help="The device's id.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until the device has told the outcome.")]


@app.command(epilog="Example: twinslot package upload ./heater --name heater --version 1.0.300")
def upload(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="FILE-OR-DIR", help="A `.py` or `.mpy`, a folder, or a `package.json` that names files beside it."
        ),
    ],
    name: Annotated[str, typer.Option(help="The package's name.")],
    version: Annotated[str, typer.Option(help="Its version, such as 1.2.3.")],
    server: Server = DEFAULT_SERVER,
    json: Json = False,
) -> None:
    """Upload a package, which devices then install as `package:NAME`.

    Of a folder all files go into it but hidden ones, or those that its `package.json` names.
    """
    files = packaging.files_at(path if path.is_dir() else readable(path))
    with progress_bar(path.name, packaging.size_bytes(files), shown=not json) as on_sent:
        made = run(packaging.upload(server, bearer_token(server), name, version, files, on_sent))
    if json:
        print_json(made)
    else:
        print_facts(f"uploaded {name} {version}", {**made, "files": [each["path"] for each in made["files"]]})


@app.command("list", epilog="Example: twinslot package list")
def list_(server: Server = DEFAULT_SERVER, json: Json = False) -> None:
    """List the packages that were uploaded."""
    packages = client.everything(server, "/packages", shapes.LISTED_PACKAGE)
    if json:
        print_json(packages)
        return
    columns = ("id", "name", "version", "size", "created_at")
    rows = [[each[column] for column in columns] for each in packages["items"]]
    print_table("packages", columns, rows, "no packages yet: `twinslot package upload` makes one")


@app.command(epilog="Example: twinslot package delete 3f0c1c1e-8a52-4f0e-9d53-5d1f6c0f7a10")
def delete(
    package: Annotated[str, typer.Argument(metavar="PACKAGE", help="The package's id.")],
    server: Server = DEFAULT_SERVER,
    json: Json = False,
) -> None:
    """Delete an uploaded package; devices that have it keep it."""
    client.request(server, "DELETE", package_path(package), type(None))
    say_deleted("package", package, json=json)


@app.command(epilog="Example: twinslot package install kettle-1 package:heater --version 1.0.300 --wait")
def install(
    device: Device,
    uri: Annotated[
        str,
        typer.Argument(metavar="URI", help="http://..., https://..., or package:NAME for one that was uploaded."),
    ],
    version: Annotated[str, typer.Option(help="The version that this is.")],
    name: Annotated[
        str | None, typer.Option(help="What it is called on the device. [default: that of package:NAME]")
    ] = None,
    reboot: Annotated[bool, typer.Option("--reboot", help="Restart the device after it.")] = False,
    reboot_delay: Annotated[
        int, typer.Option(min=0, max=24 * 3600 * 1000, metavar="MS", help="With --reboot: so much later.")
    ] = 0,
    stage: Annotated[bool, typer.Option("--stage", help="Only download it; what is installed stays.")] = False,
    file_hash: Annotated[
        str | None, typer.Option("--hash", metavar="SHA256:HEX", help="What the bytes at URI must have.")
    ] = None,
    wait: Wait = False,
    server: Server = DEFAULT_SERVER,
    json: Json = False,
) -> None:
    """Have a device download a package and install it. Other users of this machine can see a password in URI."""
    if name is None and not uri.startswith(UPLOADED):
        raise UsageError("give --name: what the package is called on the device")
    body = {
        "uri": uri,
        "name": uri.removeprefix(UPLOADED) if name is None else name,
        "version": version,
        "install": not stage,
        "reboot": reboot,
        "rebootDelay": reboot_delay,
        "fileHash": file_hash,
    }
    _order(server, device, "_download", body, wait=wait, json=json)


@app.command(epilog="Example: twinslot package uninstall kettle-1 heater 1.0.300 --wait")
def uninstall(
    device: Device,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The package's name.")],
    version: Annotated[str, typer.Argument(metavar="VERSION", help="The version that is installed.")],
    wait: Wait = False,
    server: Server = DEFAULT_SERVER,
    json: Json = False,
) -> None:
    """Take a package off a device."""
    _order(server, device, "_uninstall", {"name": name, "version": version}, wait=wait, json=json)


@app.command(epilog="Example: twinslot package installed kettle-1")
def installed(
    device: Device,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=LONGEST_S, metavar="S", help="How long the device has to answer.")
    ] = 30.0,
    server: Server = DEFAULT_SERVER,
    json: Json = False,
) -> None:
    """Ask a device which packages are installed on it; when it does not answer, show what it told last."""
    limits = aiohttp.ClientTimeout(sock_connect=10, sock_read=timeout + SILENCE_S)
    path = f"{_path(device)}?timeout={round(timeout * 1000)}"
    told = client.request_at(server, "GET", path, shapes.DEVICE_PACKAGES, timeout=limits)
    if json:
        print_json(told)
        return
    if "reportedOn" in told:
        say(f"{device} does not answer; this is what it told on {text(told['reportedOn'])}")
    rows = [
        [each["name"], each["version"], [module["name"] for module in each["bundleInfos"]["bundleInfo"]]]
        for each in told["devicePackage"]
    ]
    print_table(f"packages of {device}", ("name", "version", "modules"), rows, f"{device} has no packages")


def _path(device: str) -> str:
    return f"/v1/_/devices/{quote(checked_device(device), safe='')}/packages"


def _order(server: str, device: str, what: str, body: dict[str, Any], *, wait: bool, json: bool) -> None:
    """The operation is in the device's queue, or over when the caller waits for it."""
    submitted = client.request_at(server, "POST", f"{_path(device)}/{what}", shapes.SUBMITTED, json=body)
    operation = submitted["operationId"]
    if not wait:
        if json:
            print_json(submitted)
        else:
            say(f"queued as operation {operation}")
        return
    with goes_on(f"operation {operation}"):
        done = run(operations.watched(server, bearer_token(server), operation))
    if json:
        print_json(done)
    if done["state"] != "succeeded":
        raise OperationFailed(f"{device}: {operations.stage(done)}")

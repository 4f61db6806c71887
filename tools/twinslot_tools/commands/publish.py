"""`twinslot publish`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from twinslot_tools import publishing
from twinslot_tools.errors import UsageError
from twinslot_tools.options import (
    DEFAULT_SERVER,
    Json,
    Server,
    bearer_token,
    checked_app,
    checked_version,
    readable,
    run,
)
from twinslot_tools.output import print_facts, print_json
from twinslot_tools.signing import load_key, load_specification


class Strategy(StrEnum):
    """Who gets a release by itself."""

    SUSPENDED = "suspended"
    TARGETED = "targeted"
    GENERAL = "general"


def publish(
    application: Annotated[str, typer.Option("--app", help="The application that this is a release of.")],
    version: Annotated[str, typer.Option(help="Its version, such as 1.2.3.")],
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="The app image, such as a build's `.app-bin`.")
    ] = None,
    specification: Annotated[
        Path | None,
        typer.Option(metavar="JSONFILE", help="A specification for the application: any JSON, with FILE or alone."),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Sign here with this publisher's key. [default: the server signs]"),
    ] = None,
    strategy: Annotated[
        Strategy, typer.Option(help="Offered to nobody, to those it is aimed at, or to every device.")
    ] = Strategy.GENERAL,
    upgradable_from: Annotated[
        list[str] | None,
        typer.Option("--upgradable-from", metavar="V", help="Only from this version; may be repeated. [default: any]"),
    ] = None,
    server: Server = DEFAULT_SERVER,
    json: Json = False,
) -> None:
    """Publish a release: an image, a specification or both, signed by your key or by the server's.

    What a release does not carry stays as it is on the devices: a specification alone is a change of configuration.
    """
    if file is None and specification is None:
        raise UsageError("there is nothing to publish: give FILE, --specification JSONFILE, or both")
    release = publishing.Release(
        path=readable(file) if file else None,
        specification=load_specification(specification) if specification else None,
        app=checked_app(application),
        version=checked_version(version),
        strategy=strategy.value,
        upgradable_from=[checked_version(each) for each in upgradable_from] if upgradable_from else None,
    )
    private_key = load_key(key) if key else None
    with publishing.progress_bar(file, shown=not json) as on_sent:
        published: dict[str, Any] = run(publishing.publish(server, bearer_token(), release, private_key, on_sent))
    if json:
        print_json(published)
    else:
        print_facts(f"published {application} {version}", published)

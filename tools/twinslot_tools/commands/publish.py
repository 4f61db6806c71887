"""`twinslot publish`."""

import dataclasses
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from twinslot_tools import publishing
from twinslot_tools.commands.keys import AddKeys, RetireKeys, Specification, key_change, release_of
from twinslot_tools.errors import UsageError
from twinslot_tools.options import (
    DEFAULT_SERVER,
    Json,
    Server,
    bearer_token,
    checked_version,
    content,
    run,
)
from twinslot_tools.output import print_facts, print_json, say
from twinslot_tools.publishing import Signed
from twinslot_tools.signing import load_key
from twinslot_tools.uploading import progress_bar


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
    specification: Specification = None,
    key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Sign here with this publisher's key. [default: the server signs]"),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What `twinslot sign` has written, with its --signature."),
    ] = None,
    signature: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The publisher's signature of the --manifest.")
    ] = None,
    add_key: AddKeys = None,
    retire_key: RetireKeys = None,
    strategy: Annotated[
        Strategy, typer.Option(help="Offered to nobody, to the devices that its filters match, or to every device.")
    ] = Strategy.GENERAL,
    upgradable_from: Annotated[
        list[str] | None,
        typer.Option("--upgradable-from", metavar="V", help="Only from this version; may be repeated. [default: any]"),
    ] = None,
    filters: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            metavar="ID",
            help="A filter of devices, which counts with --strategy targeted; repeated: devices that any matches.",
        ),
    ] = None,
    server: Server = DEFAULT_SERVER,
    json: Json = False,
) -> None:
    """Publish a release: an image, a specification or both, signed by your key or by the server's.

    What a release does not carry stays as it is on the devices: a specification alone is a change of configuration.
    With --add-key and --retire-key the publisher's keys change. Retire a key only when its successor has signed a
    release that the devices have confirmed: should they not confirm that one, nothing by the old key reaches them.
    """
    if (manifest is None) != (signature is None) or (manifest and key):
        raise UsageError("--manifest and --signature go together, and without --key")
    if key is None and (add_key or retire_key):
        raise UsageError("keys change by a publisher's signature: give --key, or sign with `twinslot sign`")
    release = dataclasses.replace(
        release_of(file, specification, application, version, key_change(add_key, retire_key)),
        strategy=strategy.value,
        upgradable_from=[checked_version(each) for each in upgradable_from] if upgradable_from else None,
        filters=filters or [],
    )
    signer = Signed(content(manifest), content(signature)) if manifest and signature else None
    private_key = load_key(key) if key else None
    name, size_bytes = (file.name, file.stat().st_size) if file else ("", 0)
    with progress_bar(name, size_bytes, shown=not json) as on_sent:
        published: dict[str, Any] = run(
            publishing.publish(server, bearer_token(server), release, private_key or signer, on_sent)
        )
    if json:
        print_json(published)
        return
    print_facts(
        f"published {application} {version}", {**published, "upgradable_from": upgradable_from or "any version"}
    )
    remark = _remark(published["app"], published["version"], strategy, has_filters=bool(filters))
    if remark is not None:
        say(remark)


def _remark(app: str, version: str, strategy: Strategy, *, has_filters: bool) -> str | None:
    """What to say of who gets it, where the options may mean something else than they seem to."""
    if strategy is Strategy.TARGETED and not has_filters:
        path = f"/api/v1/applications/{quote(app, safe='')}/releases/{quote(version, safe='')}"
        body = '{"filters": [{"filter": "ID"}]}'
        return f"It reaches nobody yet: it is targeted, and has no filter. PATCH {path} with {body} gives it one."
    if strategy is Strategy.GENERAL and has_filters:
        return "It goes out to every device: filters count with --strategy targeted."
    return None

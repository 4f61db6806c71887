"""`twinslot publish`."""

import dataclasses
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from twinslot_tools import manifests, publishing
from twinslot_tools.commands.keys import FILE_HELP, AddKeys, RetireKeys, Specification, key_change, release_of
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
from twinslot_tools.publishing import Release, Signed
from twinslot_tools.signing import load_key
from twinslot_tools.uploading import progress_bar


class Strategy(StrEnum):
    """Who gets a release by itself."""

    SUSPENDED = "suspended"
    TARGETED = "targeted"
    GENERAL = "general"


File = Annotated[Path | None, typer.Argument(metavar="FILE", help=FILE_HELP)]
Key = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Sign here with this publisher's key. [default: the server signs]"),
]
Manifest = Annotated[
    Path | None, typer.Option(metavar="FILE", help="What `twinslot sign` has written, with its --signature.")
]
Signature = Annotated[Path | None, typer.Option(metavar="FILE", help="The publisher's signature of the --manifest.")]
Who = Annotated[
    Strategy, typer.Option(help="Offered to nobody, to the devices that its filters match, or to every device.")
]
UpgradableFrom = Annotated[
    list[str] | None,
    typer.Option("--upgradable-from", metavar="V", help="Only from this version; may be repeated. [default: any]"),
]
Filters = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        metavar="ID",
        help="A filter of devices, which counts with --strategy targeted; repeated: devices that any matches.",
    ),
]


def publish(
    application: Annotated[str, typer.Option("--app", help="The application that this is a release of.")],
    version: Annotated[str, typer.Option(help="Its version, such as 1.2.3.")],
    file: File = None,
    specification: Specification = None,
    key: Key = None,
    manifest: Manifest = None,
    signature: Signature = None,
    add_key: AddKeys = None,
    retire_key: RetireKeys = None,
    strategy: Who = Strategy.GENERAL,
    upgradable_from: UpgradableFrom = None,
    filters: Filters = None,
    server: Server = DEFAULT_SERVER,
    json: Json = False,
) -> None:
    """Publish a release: an image or a bundle, a specification or both, signed by your key or by the server's.

    What a release does not carry stays as it is on the devices: a specification alone is a change of configuration, a
    bundle leaves the firmware, an image leaves the bundle.
    With --add-key and --retire-key the publisher's keys change. Retire a key only when its successor has signed a
    release that the devices have confirmed: should they not confirm that one, nothing by the old key reaches them.
    """
    if key is None and (add_key or retire_key):
        raise UsageError("keys change by a publisher's signature: give --key, or sign with `twinslot sign`")
    release = dataclasses.replace(
        release_of(file, specification, application, version, key_change(add_key, retire_key)),
        strategy=strategy.value,
        upgradable_from=[checked_version(each) for each in upgradable_from] if upgradable_from else None,
        filters=filters or [],
    )
    published = _sent(server, release, _signer(key, manifest, signature), shows_progress=not json)
    if json:
        print_json(published)
        return
    words = manifests.in_words(published) | {"upgradable_from": upgradable_from or "any version"}
    print_facts(f"published {application} {version}", words)
    remark = _remark(published["app"], published["version"], strategy, has_filters=bool(filters))
    if remark is not None:
        say(remark)


def _signer(key: Path | None, manifest: Path | None, signature: Path | None) -> RSAPrivateKey | Signed | None:
    """Who signs, or has signed, by these options; None: the server. Raises `UsageError` or `BadFile`."""
    if (manifest is None) != (signature is None) or (manifest and key):
        raise UsageError("--manifest and --signature go together, and without --key")
    if manifest and signature:
        return Signed(content(manifest), content(signature))
    return load_key(key) if key else None


def _sent(
    server: str, release: Release, signer: RSAPrivateKey | Signed | None, *, shows_progress: bool
) -> dict[str, Any]:
    """What the server says of the release, which it has now."""
    name, size_bytes = (release.path.name, release.path.stat().st_size) if release.path else ("", 0)
    with progress_bar(name, size_bytes, shown=shows_progress) as on_sent:
        return run(publishing.publish(server, bearer_token(server), release, signer, on_sent))


def _remark(app: str, version: str, strategy: Strategy, *, has_filters: bool) -> str | None:
    """What to say of who gets it, where the options may mean something else than they seem to."""
    if strategy is Strategy.TARGETED and not has_filters:
        path = f"/api/v1/applications/{quote(app, safe='')}/releases/{quote(version, safe='')}"
        body = '{"filters": [{"filter": "ID"}]}'
        return f"It reaches nobody yet: it is targeted, and has no filter. PATCH {path} with {body} gives it one."
    if strategy is Strategy.GENERAL and has_filters:
        return "It goes out to every device: filters count with --strategy targeted."
    return None

"""`twinslot transfer`: what devices download of an image or a bundle, made and looked into without a server."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from twinslot_tools.errors import BadFile, UsageError
from twinslot_tools.new_files import NewFile, check_new, write_new
from twinslot_tools.options import Json, content
from twinslot_tools.output import print_facts, print_json, print_table

if TYPE_CHECKING:
    from twinslot_host.domain.bundle import Entry
    from twinslot_host.domain.transfer import Segment, Transfer

app = typer.Typer(
    no_args_is_help=True,
    help="Transfers: what a device downloads of an image that lies near its own, or of a bundle.",
)


@app.command(epilog="Example: twinslot transfer build kettle-1.1.0.app-bin kettle-1.2.0.app-bin --out kettle.transfer")
def build(
    old: Annotated[
        Path,
        typer.Argument(
            metavar="IMAGE-OR-BUNDLE", help="The image that the device runs, any file; or a bundle, which comes alone."
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where the transfer goes: a new file.")],
    new: Annotated[Path | None, typer.Argument(metavar="NEW", help="The image that it is to get.")] = None,
    json: Json = False,
) -> None:
    """Build the transfer that brings NEW to a device which runs IMAGE, or that of a BUNDLE, as the server does.

    There is one transfer of a bundle for all devices: each takes those files out of it that it lacks.
    """
    check_new(out)
    if new is None:
        _build_bundle(old, out, json=json)
    else:
        _build_image(old, new, out, json=json)


def _build_bundle(bundle: Path, out: Path, *, json: bool) -> None:
    from twinslot_host.domain import bundle_archive, bundle_transfer
    from twinslot_host.errors import Invalid

    archive = content(bundle)
    if not bundle_archive.is_gzip(archive):
        raise UsageError(f"{bundle} is no bundle, so it needs NEW: the image that a device with {bundle} is to get")
    try:
        found = bundle_archive.parse(archive)
    except Invalid as error:
        raise BadFile(f"{bundle}: {str(error).removeprefix('bundle: ')}") from error
    data = bundle_transfer.build(found.listing, found.contents)
    write_new(NewFile(out, data))
    made = {"file": str(out), **_bundle_facts(data, found.entries)}
    if json:
        print_json(made)
    else:
        print_facts(f"{bundle} for all devices", made)


def _build_image(old: Path, new: Path, out: Path, *, json: bool) -> None:
    from twinslot_host.domain import bundle_archive, transfer
    from twinslot_host.errors import Invalid

    base, image = content(old), content(new)
    bundle = next((path for path, data in ((old, base), (new, image)) if bundle_archive.is_gzip(data)), None)
    if bundle is not None:
        raise UsageError(
            f"{bundle} is a gzip, so no image: a bundle, whose transfer suits what any device has, is given alone"
        )
    try:
        segments = list(_shown(transfer.encoded(image, base), -(-len(image) // transfer.SEGMENT_BYTES)))
    except Invalid as error:
        raise BadFile(f"{old}, {new}: {error}") from error
    data = transfer.assembled(image, base, segments)
    write_new(NewFile(out, data))
    whole_bytes = len(transfer.build(image))
    made = {
        "file": str(out),
        "size": len(data),
        "whole_size": whole_bytes,
        "image_size": len(image),
        "image_sha256": hashlib.sha256(image).hexdigest(),
        **_of_base(transfer.parse(data)),
        "kinds": _counts(segments),
    }
    if json:
        print_json(made)
    else:
        _print(f"{new} for devices that run {old}", made)


@app.command(epilog="Example: twinslot transfer show kettle.transfer")
def show(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The transfer.")],
    json: Json = False,
) -> None:
    """Show what a transfer holds, after checking all of it that can be checked without the image it is made against."""
    from twinslot_host.domain import bundle_transfer
    from twinslot_host.errors import Invalid

    data = content(file)
    try:
        if data.startswith(bundle_transfer.MAGIC):
            _show_bundle(file, data, json=json)
        else:
            _show_image(file, data, json=json)
    except Invalid as error:
        raise BadFile(f"{file}: {error}") from error


def _show_bundle(file: Path, data: bytes, *, json: bool) -> None:
    from twinslot_host.domain import bundle_transfer

    found = bundle_transfer.parse(data)
    facts = {"file": str(file), **_bundle_facts(data, found.entries)}
    files = [
        {"path": each.path, "size": each.size_bytes, "bytes": len(payload), "sha256": each.sha256.hex()}
        for each, payload in zip(found.entries, found.payloads, strict=True)
    ]
    if json:
        print_json({**facts, "files": files})
        return
    print_facts(str(file), facts)
    rows = [
        [each["path"], each["size"], each["bytes"], f"{100 * len(part) / len(data):.1f} %"]
        for each, part in zip(files, found.payloads, strict=True)
    ]
    print_table("files", ("path", "size", "bytes", "of the transfer"), rows, "")


def _bundle_facts(data: bytes, entries: "Sequence[Entry]") -> dict[str, Any]:
    from twinslot_host.domain import bundle

    listing = bundle.encode(entries)
    return {
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "files_size": sum(each.size_bytes for each in entries),
        "list_size": len(listing),
        "list_sha256": hashlib.sha256(listing).hexdigest(),
    }


def _show_image(file: Path, data: bytes, *, json: bool) -> None:
    from twinslot_host.domain import transfer

    found = transfer.parse(data)
    facts = {
        "file": str(file),
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "image_size": found.image_size_bytes,
        **_of_base(found),
        "kinds": _counts(found.segments),
    }
    segments = [
        {
            "kind": each.kind.name.lower(),
            "size": found.size_of(number),
            "bytes": len(each.payload),
            "sum": each.digest.hex(),
        }
        for number, each in enumerate(found.segments)
    ]
    if json:
        print_json({**facts, "segments": segments})
        return
    _print(str(file), facts)
    rows = [[number, *each.values()] for number, each in enumerate(segments)]
    print_table("segments", ("", "kind", "size", "bytes", "sum"), rows, "it has no segments: the image is empty")


def _print(title: str, facts: dict[str, Any]) -> None:
    kinds = [f"{count['segments']} {kind} ({count['bytes']} bytes)" for kind, count in facts["kinds"].items()]
    print_facts(title, {**facts, "kinds": ", ".join(kinds)})


def _of_base(found: "Transfer") -> dict[str, object]:
    return {"base_size": found.base_size_bytes, "base_sha256": found.base_sha256.hex() or None}


def _counts(segments: "tuple[Segment, ...] | list[Segment]") -> dict[str, dict[str, int]]:
    """How many segments there are of each kind, and the bytes of their payloads."""
    counts: dict[str, dict[str, int]] = {}
    for each in segments:
        count = counts.setdefault(each.kind.name.lower(), {"segments": 0, "bytes": 0})
        count["segments"] += 1
        count["bytes"] += len(each.payload)
    return counts


def _shown(segments: "Iterator[Segment]", total: int) -> "Iterator[Segment]":
    """The segments, with a bar on standard error while somebody looks."""
    errors = Console(stderr=True)
    columns = (TextColumn("building"), BarColumn(), MofNCompleteColumn(), TextColumn("segments"))
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as progress:
        yield from progress.track(segments, total=total)

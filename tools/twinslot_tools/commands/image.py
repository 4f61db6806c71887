"""`twinslot image`: ESP32 app images for the simulator, and boards that run them."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Annotated

import typer

from twinslot_sim import factory
from twinslot_sim import image as esp_image
from twinslot_sim.applications import app_image
from twinslot_tools import manifests, simulation
from twinslot_tools.errors import BadFile, UsageError
from twinslot_tools.new_files import check_new
from twinslot_tools.options import Json, checked_app, checked_version
from twinslot_tools.output import print_facts, print_json

app = typer.Typer(no_args_is_help=True, help="ESP32 app images: build them for the simulator, look into any.")


@app.command(epilog="Example: twinslot image build --app kettle --version 1.1.0 --out kettle-1.1.0.app-bin")
def build(
    application: Annotated[str, typer.Option("--app", help="The application's name.")],
    version: Annotated[str, typer.Option(help="Its version.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where the image goes.")],
    healthy: Annotated[
        bool, typer.Option("--healthy", help="It works and keeps in touch. [this is the default]")
    ] = False,
    crashing: Annotated[bool, typer.Option("--crashing", help="It crashes as it starts.")] = False,
    mute: Annotated[bool, typer.Option("--mute", help="It runs, but the server never hears of it.")] = False,
    hanging: Annotated[bool, typer.Option("--hanging", help="It hangs at once.")] = False,
    size: Annotated[
        int, typer.Option(min=0, max=4 << 20, metavar="BYTES", help="Pad the image to at least this size.")
    ] = 0,
    one_slot: Annotated[
        bool,
        typer.Option(
            "--one-slot",
            help="Write a board's whole flash instead, a new FILE for `twinslot sim --flash`: MicroPython's default "
            "partition table, whose only app slot has the image; no files and no identity yet, as from the shop.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Build an app image of a small application that behaves, or misbehaves, as asked.

    Updates bring an image to a board's second slot. Most boards have one: what is built for such a board is its flash.
    """
    asked = {"healthy": healthy, "crashing": crashing, "mute": mute, "hanging": hanging}
    habits = [habit for habit, wanted in asked.items() if wanted] or ["healthy"]
    if len(habits) > 1:
        raise UsageError("an application has one habit: " + " or ".join(f"--{habit}" for habit in habits))
    if one_slot:
        check_new(out)
    try:
        data = app_image(checked_app(application), checked_version(version), habits[0], size_bytes=size)
        if one_slot:
            with simulation.translated():
                factory.make_flash(out, data, None, simulation.table(one_slot=True))
        else:
            out.write_bytes(data)
    except OSError as error:
        raise BadFile(f"can't write {out}: {error.strerror}") from error
    of_image = "image_" if one_slot else ""
    built = {
        "file": str(out),
        "app": application,
        "version": version,
        "habit": habits[0],
        f"{of_image}size": len(data),
        f"{of_image}sha256": hashlib.sha256(data).hexdigest(),
    }
    if json:
        print_json(built)
    else:
        print_facts(f"{application} {version}", built)


@app.command(epilog="Example: twinslot image info firmware.app-bin")
def info(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The app image.")],
    json: Json = False,
) -> None:
    """Show what an app image says of itself, after checking it as the chip does."""
    try:
        image = esp_image.parse(file.read_bytes())
    except OSError as error:
        raise BadFile(f"can't read {file}: {error.strerror}") from error
    except esp_image.ImageError as error:
        raise BadFile(f"{file}: {error}") from error
    facts = {
        "file": str(file),
        "app": image.project,
        "version": image.version,
        "chip": image.chip,
        "secure_version": image.secure_version,
        "size": image.length,
        "sha256": image.sha256.hex(),
    }
    if json:
        print_json({**facts, "segments": [dataclasses.asdict(segment) for segment in image.segments]})
        return
    segments = [f"{segment.length} bytes at {segment.load_address:#010x}" for segment in image.segments]
    print_facts(str(file), manifests.in_words({**facts, "segments": segments}))

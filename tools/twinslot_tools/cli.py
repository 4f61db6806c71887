"""The `twinslot` command: what it is made of, and how it ends."""

import sys
import traceback

import typer

from twinslot_tools.commands import device, fleet, group, image, keys, publish, server, sim
from twinslot_tools.errors import TwinslotError

INTERRUPTED = 130

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Over-the-air updates for MicroPython on ESP32: serve, publish releases, watch devices, simulate them.",
    epilog="Exit codes: 0 done, 1 a bug or not confirmed in time, 2 usage, 3 bad input file, 4 the server refused, "
    "5 no device.",
)
app.command(epilog="Example: twinslot serve --data ./data")(server.serve)
app.command(epilog="Example: export TWINSLOT_TOKEN=$(twinslot token --data ./data)")(server.token)
app.command(epilog="Example: twinslot keygen --out publisher.pem")(keys.keygen)
app.add_typer(group.app, name="group")
app.add_typer(device.app, name="device")
app.command(epilog="Example: twinslot explain kettle-1")(device.explain)
app.command(epilog="Example: twinslot publish kettle.app-bin --app kettle --version 1.1.0 --key publisher.pem")(
    publish.publish
)
app.command(epilog="Example: twinslot sim --group ID --token T --device kettle-1 --flash kettle-1.flash --until 1.1.0")(
    sim.sim
)
app.command(epilog="Example: twinslot fleet --group ID --token T --count 20 --until 1.1.0")(fleet.fleet)
app.add_typer(image.app, name="image")


def main() -> None:
    """The command has run and the process ends with its exit code; an error is one message on standard error."""
    try:
        app()
    except TwinslotError as error:
        print(f"twinslot: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception:  # noqa: BLE001 - the last stop before the user
        traceback.print_exc()
        print("twinslot: this is a bug in twinslot; please report it with the lines above", file=sys.stderr)
        sys.exit(1)

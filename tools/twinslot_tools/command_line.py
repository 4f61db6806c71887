"""What the `twinslot` command is made of."""

import typer

from twinslot_tools.commands import (
    account,
    bundle,
    device,
    doctor,
    filters,
    flash,
    fleet,
    group,
    image,
    job,
    keys,
    login,
    monitor,
    package,
    provision,
    publish,
    server,
    sim,
    transfer,
    workflow,
)

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Over-the-air updates for MicroPython on ESP32: serve, publish releases, watch devices, simulate them.",
    epilog="Exit codes: 0 done, 1 a bug, not confirmed in time, or an operation that failed, 2 usage, 3 bad input "
    "file, 4 the server refused, 5 no device, 130 stopped by Ctrl-C.",
)
app.command(epilog="Example: twinslot serve --data ./data")(server.serve)
app.command(epilog="Example: export TWINSLOT_TOKEN=$(twinslot token --data ./data)")(server.token)
app.command("login", epilog="Example: twinslot token --data ./data | twinslot login")(login.log_in)
app.command("logout", epilog="Example: twinslot logout")(login.log_out)
app.command(epilog="Example: twinslot keygen --out publisher.pem")(keys.keygen)
app.command(
    epilog="Example: twinslot sign kettle.app-bin --app kettle --version 1.1.0 --key publisher.pem --out kettle.tws"
)(keys.sign)
app.command(epilog="Example: twinslot verify kettle.tws kettle.tws.sig --key publisher.pem.pub --image kettle.app-bin")(
    keys.verify
)
app.add_typer(account.app, name="account")
app.add_typer(group.app, name="group")
app.add_typer(device.app, name="device")
app.add_typer(filters.app, name="filter")
app.add_typer(workflow.app, name="workflow")
app.add_typer(job.app, name="job")
app.command(epilog="Example: twinslot explain kettle-1")(device.explain)
app.command(epilog="Example: twinslot bundle kettle/ --out kettle-1.2.0.tar.gz")(bundle.bundle)
app.command(epilog="Example: twinslot publish kettle.app-bin --app kettle --version 1.1.0 --key publisher.pem")(
    publish.publish
)
app.command(epilog="Example: twinslot sim --group ID --token T --device kettle-1 --flash kettle-1.flash --until 1.1.0")(
    sim.sim
)
app.command(epilog="Example: twinslot flash --port /dev/ttyUSB0 --firmware ESP32_GENERIC-OTA-20250415-v1.25.0.bin")(
    flash.flash
)
app.command(epilog="Example: twinslot provision --port /dev/ttyUSB0 --group ID --wifi kitchen --device kettle-7")(
    provision.provision
)
app.command(epilog="Example: twinslot doctor --port /dev/ttyUSB0")(doctor.doctor)
app.command(epilog="Example: twinslot monitor --port /dev/ttyUSB0")(monitor.monitor)
app.command(epilog="Example: twinslot fleet --group ID --token T --count 20 --until 1.1.0")(fleet.fleet)
app.add_typer(package.app, name="package")
app.add_typer(image.app, name="image")
app.add_typer(transfer.app, name="transfer")

"""Does what orders say, with the real installer over real connections. Runs on MicroPython; prints a JSON document.

The argument is the folder that holds the package. Standard input is a JSON document: `server`, the base address;
`blocks` of flash; `orders`, each with a `kind`, and if need be `spoils`, a text that flash loses, `blind`, to take free
space for enough, and `stop`, the number of lines of output after which it is cancelled.
"""

import asyncio
import gc
import json
import sys
from binascii import hexlify

from prove_flash import blocks_free, boot, formatted, left_over, named, packages

import twinslot.folders as folders
import twinslot.installer as installer
from twinslot.errors import PackageError
from twinslot.fetch import Fetcher

given = json.loads(sys.stdin.read())
flash = formatted(given["blocks"])
boot(flash)
check_space = folders.Folders.check_space


class Collections:
    """In the place of `gc`: counts."""

    count = 0

    def collect(self):
        self.count += 1
        gc.collect()


installer.gc = Collections()


async def install(order, said, shown):
    fetch = Fetcher(given["server"], None).open
    task = asyncio.create_task(packages.install(fetch, order, shown.append, said.append))
    while not task.done():
        if len(said) == order.get("stop"):
            task.cancel()
        await asyncio.sleep(0)
    await task


def write(order):
    with open(order["path"], "w") as file:
        file.write(order["text"])
    packages.add_to_path()


async def do(order):
    said, shown, reason = [], [], ""
    flash.spoils = order.get("spoils", "").encode()
    folders.Folders.check_space = (lambda *_: None) if order.get("blind") else check_space
    operations, collections = flash.operations, installer.gc.count
    try:
        if order["kind"] == "install":
            await install(order, said, shown)
        elif order["kind"] == "uninstall":
            packages.uninstall(order["name"], order["version"], order.get("again", False))
        elif order["kind"] == "write":
            write(order)
    except PackageError as error:
        reason = str(error)
    except asyncio.CancelledError:
        reason = "cancelled"
    operations = flash.operations - operations
    found = named() if order["kind"] != "write" else {}
    return {
        "reason": reason,
        "said": said,
        "shown": shown,
        "operations": operations,
        "collections": installer.gc.count - collections,
        "named": {n: [v, {p: hexlify(c).decode() for p, c in files.items()}] for n, (v, files) in found.items()},
        "left_over": left_over() if order["kind"] != "write" else [],
        "free": blocks_free(),
        "inventory": packages.inventory(),
        "digest": packages.digest(),
        "path": [folder for folder in sys.path if folder.startswith("/packages/")],
    }


async def do_all():
    results = []
    for order in given["orders"]:
        results.append(await do(order))
    return results


print(json.dumps(asyncio.run(do_all())))

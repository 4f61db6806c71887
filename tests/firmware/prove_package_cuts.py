"""Cuts the power at each flash operation of what the installer does. Runs on MicroPython; prints a JSON document.

Arguments: the folder that holds the package; `all` or `one`; then the numbers of bytes of a flash operation that take
effect: all at each operation, or one by turns. The file system is LittleFS as a board has it, on a flash in RAM. After
each cut the board boots again: its index must name the old package or the new one, whole; then the same operation must
succeed, and leave nothing behind.
"""

import asyncio
import builtins
import json
import sys
from binascii import hexlify
from hashlib import sha256

from prove_flash import Flash, PowerCut, blocks_free, boot, formatted, left_over, named, packages

opened = builtins.open
last_opened = None
never_closed = []  # files that were open when the power was cut, which the collector would close


def open_and_remember(*arguments):
    global last_opened
    last_opened = opened(*arguments)
    return last_opened


builtins.open = open_and_remember

BLOCKS = 56


class Closed:
    async def wait_closed(self):
        pass


class Answer:
    """As `http.Answer`, from memory."""

    def __init__(self, content):
        self.status = 200
        self.length = len(content)
        self._rest = content

    async def readinto(self, buffer):
        n = min(len(buffer), len(self._rest))
        buffer[:n] = self._rest[:n]
        self._rest = self._rest[n:]
        return n


class Package:
    def __init__(self, name, version, files, salt=""):
        self.name, self.version = name, version
        self.files = {path: bytes((path + salt)[0:1], "ascii") * size for path, size in files.items()}
        self.files[name + "/__init__.py"] = (name + version + salt).encode()
        self.served = {"/" + path: content for path, content in self.files.items()}
        sums = {path: hexlify(sha256(content).digest()).decode() for path, content in self.files.items()}
        document = {"urls": [[path, "/" + path] for path in self.files], "sha256": sums, "version": version}
        self.served["/package.json"] = json.dumps(document).encode()

    async def fetch(self, uri, method="GET"):
        return Closed(), Answer(self.served[uri])

    def install(self, only_download=False):
        order = {"uri": "/package.json", "name": self.name, "version": self.version, "install": not only_download}
        asyncio.run(packages.install(self.fetch, order, lambda percent: None, lambda text: None))

    def uninstall(self):
        packages.uninstall(self.name, self.version, True)


OTHER = Package("other", "7", {"other/data": 10})
LONG = Package("heater", "1.0", {"heater/data": 4200})
OLD = Package("heater", "1.0", {"heater/data": 600, "old.py": 200})
NEW = Package("heater", "2.0", {"heater/cells/data": 600, "new.py": 300})
AGAIN = Package("heater", "1.0", {"heater/data": 700}, "again")

STEPS = {
    "install the first": ([], LONG.install),
    "install another": ([OTHER.install], OLD.install),
    "upgrade": ([OTHER.install, OLD.install], NEW.install),
    "reinstall": ([OTHER.install, OLD.install], AGAIN.install),
    "reinstall again": ([OTHER.install, OLD.install, AGAIN.install], OLD.install),
    "uninstall": ([OTHER.install, OLD.install], OLD.uninstall),
    "download": ([OTHER.install, OLD.install], lambda: NEW.install(True)),
    "install what was downloaded": ([OTHER.install, OLD.install, lambda: NEW.install(True)], NEW.install),
    "forget what was downloaded": ([OTHER.install, lambda: OLD.install(True)], OLD.uninstall),
    "download another": ([OTHER.install, lambda: OLD.install(True)], lambda: NEW.install(True)),
}
wrong = []


def prove(what, preparation, step, keeps):
    """The number of cuts."""
    flash = formatted(BLOCKS)
    boot(flash)
    for each in preparation:
        each()
    before, old = bytes(flash.content), named()
    flash = Flash(before)
    boot(flash)
    step()
    whole, new, free = flash.operations, named(), blocks_free()
    allowed = [old, new]
    for key in old:  # "download another" gives up what was downloaded before
        if key[-1] == "~":
            allowed.append({name: value for name, value in old.items() if name != key})
    cuts = 0
    for cut_at in range(1, whole + 1):
        for keep in keeps if sys.argv[2] == "all" else [keeps[cut_at % len(keeps)]]:
            cuts += 1
            try:
                prove_cut(before, step, cut_at, keep, allowed, new, free)
            except Exception as error:  # noqa: BLE001 - each is a finding
                wrong.append("{}, operation {}, {} bytes: {!r}".format(what, cut_at, keep, error))
    return cuts


def prove_cut(before, step, cut_at, keep, allowed, new, free):
    flash = Flash(before, cut_at, keep)
    try:
        boot(flash)
        step()
        raise ValueError("the power was not cut")
    except PowerCut:
        never_closed.append(last_opened)
    left, flash.content, flash.view = flash.content, None, None
    boot(Flash(left))
    if named() not in allowed:
        raise ValueError("neither the old package nor the new one: {}".format(list(named().items())))
    step()
    if named() != new:
        raise ValueError("not the new package: {}".format(list(named().items())))
    if left_over():
        raise ValueError("left over: {}".format(left_over()))
    if blocks_free() != free:
        raise ValueError("{} blocks are free instead of {}".format(blocks_free(), free))


keeps = [int(keep) for keep in sys.argv[3:]]
cuts = {what: prove(what, *step, keeps) for what, step in STEPS.items()}
print(json.dumps({"cuts": cuts, "wrong": wrong[:20], "wrongs": len(wrong)}))

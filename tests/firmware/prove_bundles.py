"""Bundles over a real connection into trees of LittleFS, on a flash in RAM. For MicroPython; prints a JSON document.

Arguments: the folder that holds the package, that of the vectors.
"""

import asyncio
import json
import os
import sys
from binascii import a2b_base64, hexlify, unhexlify
from hashlib import sha256

from findings import expect, proven, wrong
from prove_flash import boot, formatted, walk
from prove_slot import Files, TransferError, Unreachable

import twinslot.bundle as bundle
import twinslot.http as http
import twinslot.slots as slots
import twinslot.tree as tree

BLOCKS = 150
A, B = "/app_a/", "/app_b/"


def put(files):
    """They lie there, content by absolute path; a folder has None."""
    for path, content in files.items():
        at = path.find("/", 1)
        while at > 0:
            try:
                os.mkdir(path[:at])
            except OSError:
                pass  # it is there
            at = path.find("/", at + 1)
        if content is None:
            os.mkdir(path)
        else:
            with open(path, "wb") as file:
                file.write(content)


class Case:
    """A bundle on offer by a server, and a board with an empty file system."""

    def __init__(self, server, case, transfer=b"", blocks=BLOCKS):
        self.files = {each["path"]: unhexlify(each["content"]) for each in case["files"]}
        self.listed = unhexlify(case["list"])
        self.flash = formatted(blocks)
        boot(self.flash)
        self.before = self.flash.operations
        self.server = server
        self.told = []
        server.files = {"/t": transfer or a2b_base64(case["transfer"])}

    async def fetch(self, running="/", root=B):
        """How it ended: empty when the tree is as the list says. `payloads`: so many requests were for some."""
        self.server.asked = []
        named = len(self.listed), hexlify(sha256(self.listed).digest()).decode()
        writer = slots.Writer()
        made = bundle.Bundle("/t", *named, running, root, writer)
        try:
            await made.run(http.Client(self.server.address, None), self._progress)
        except (TransferError, Unreachable) as error:
            return str(error)
        finally:
            first = 12 + len(self.listed) + 4 * len(self.files)
            self.payloads = len([1 for _, at, past in self.server.asked if at >= first])
        return "" if await tree.lies_in(root, *named, writer.sector) else "not there"

    async def _progress(self, done, size):
        self.told.append((done, size))

    def lying(self, root=B):
        """All files and empty folders of the tree but its list, which is right."""
        found = {path[len(root) :]: content for path, content in walk(root[:-1]).items()}
        expect("the list", found.pop(".list", b""), self.listed)
        return found


async def prove_good(server, case):
    one, why = Case(server, case), case["why"]
    expect(why, await one.fetch(), "")
    expect(why + ", there", one.lying(), one.files)
    size = sum([len(content) for content in one.files.values()], len(one.listed))
    expect(why + ", progress", (one.told[-1], one.told == sorted(one.told)), ((size, size), True))
    expect(why + ", again", (await one.fetch(), one.payloads), ("", 0))
    expect(why + ", copied", (await one.fetch(B, A), one.payloads), ("", 0))
    expect(why + ", both", (one.lying(A), one.lying(B)), (one.files, one.files))
    another = len(one.listed), hexlify(sha256(b"another").digest()).decode()
    expect(why + ", another", await tree.lies_in(B, *another, slots.Writer().sector), False)


async def prove_dirty(server, case):
    """What is not the list's goes, whatever it is; what is stays; and nothing beside the tree is touched."""
    one, why = Case(server, case), "dirty, " + case["why"]
    path = sorted(one.files)[-1]
    put({B + "empty/folder": None, B + path + "/in/its.place": b"1", B + "zzz.py": b"2", B + ".list": b"old"})
    put({B + there: content for there, content in one.files.items() if there != path and "/" not in there})
    put({A + "kept.py": b"kept", "/data/own.txt": b"own"})
    beside = walk("/app_a"), walk("/data")
    expect(why, await one.fetch(A), "")
    expect(why + ", there", one.lying(), one.files)
    expect(why + ", beside", (walk("/app_a"), walk("/data")), beside)
    if "/" in path:
        put({"/app_a/" + path.split("/")[0]: b"a file where a folder was"})
        expect(why + ", a file for a folder", await one.fetch("/", A), "")
        expect(why + ", the folder", one.lying(A), one.files)


async def prove_in_the_way(server, case):
    """A file of that name is somebody's."""
    one = Case(server, case)
    put({"/app_b": b"own"})
    before = one.flash.operations
    said = await one.fetch()
    expect("a file for the tree", said.partition(": ")[2], "/app_b is a file: bundles need that name, rename it")
    expect("a file for the tree, there", (walk("/"), one.flash.operations - before), ({"//app_b": b"own"}, 0))


async def prove_damaged(server, case):
    """A file of the tree that runs, or of the free one, that is not what its list says is fetched."""
    one, why = Case(server, case), "damaged, " + case["why"]
    expect(why, await one.fetch(), "")
    path = max(sorted(one.files), key=lambda path: len(one.files[path]))  # the first of those with that content
    put({B + path: one.files[path][:-1] + b"?"})
    expect(why + ", copied", (await one.fetch(B, A), one.payloads), ("", 1 if one.files[path] else 0))
    expect(why + ", there", one.lying(A), one.files)
    expect(why + ", in its own tree", (await one.fetch(A, B), one.payloads), ("", 0))
    expect(why + ", there again", one.lying(B), one.files)
    for listed in (b"", one.listed[:-1], one.listed[:44] + b"\xff" + one.listed[45:], one.listed[:45] + b"\xff" * 500):
        put({A + ".list": b"x", B + ".list": listed})
        put({A + path: b"x" for path in one.files})
        expect(why + ", list", await one.fetch(B, A), "")
        expect(why + ", by another list", one.lying(A), one.files)


async def prove_bad(server, cases):
    (case,) = [each for each in cases["good"] if each["why"] == "one file"]
    for bad in cases["bad_transfers"]:
        one = Case(server, case, a2b_base64(bad["transfer"]) or b"\0")
        expect(bad["why"], (await one.fetch() != "", one.flash.operations - one.before), (True, 0))
    for bad in cases["bad_payloads"]:
        transfer = a2b_base64(bad["transfer"])
        listed = hexlify(transfer[12 : 12 + transfer[8]]).decode()
        one = Case(server, {"files": [{"path": "app.py", "content": bad["content"]}], "list": listed}, transfer)
        expect(bad["why"], (await one.fetch() != "", one.payloads), (True, 1))
        expect(bad["why"] + ", unlisted", ".list" in os.listdir("/app_b"), False)


async def prove_room(server, case):
    """What does not fit is not begun, and what is said to be needed is enough."""
    blocks = 60
    one = Case(server, case, blocks=blocks)
    while not await one.fetch():
        blocks -= 1
        one = Case(server, case, blocks=blocks)
    expect("room for it in", 30 < blocks < 60, True)
    said = (await one.fetch()).split(" ")
    expect("no room", (said[0], said[2], one.flash.operations - one.before), ("needs", "bytes,", 0))
    expect("room", (int(said[1]) - int(said[3])) // 4096, 1)
    put({"/large.bin": bytes(3 * 4096)})
    expect("less room", (await one.fetch())[:5], "needs")


async def prove_breaks(server, case):
    """A connection that breaks costs nothing, wherever it does, and however often."""
    transfer = a2b_base64(case["transfer"])
    large = max([len(content) for content in map(unhexlify, [each["content"] for each in case["files"]])])
    for each in (101, 997, 5003):
        for first in (1, len(transfer) // 2, len(transfer)):
            one = Case(server, case)
            server.budget, server.then, server.sent = first, each, 0
            expect("broken at {}, then each {}".format(first, each), await one.fetch(), "")
            expect("sent, broken at {}, then each {}".format(first, each), server.sent, len(transfer))
            expect("broken at {}, then each {}, there".format(first, each), one.lying(), one.files)
    for budget in range(1, len(transfer), 457):
        one = Case(server, case)
        server.budget, server.then = budget, 0
        expect("broken at {} for good".format(budget), await one.fetch() != "", True)
        server.budget, server.sent = None, 0
        expect("after a break at {}".format(budget), await one.fetch(), "")
        head = 12 + len(one.listed) + 4 * len(one.files)
        expect("sent after it", server.sent <= len(transfer) - max(0, budget - head - large), True)
        expect("after a break at {}, there".format(budget), one.lying(), one.files)


async def prove(cases):
    server = Files({})
    await server.start()
    for case in cases["good"]:
        await prove_good(server, case)
        await prove_dirty(server, case)
        await prove_damaged(server, case)
    await prove_in_the_way(server, cases["good"][0])
    await prove_bad(server, cases)
    await prove_room(server, cases["good"][0])
    await prove_breaks(server, cases["good"][0])


with open(sys.argv[2] + "/bundles.json") as vectors:
    asyncio.run(prove(json.load(vectors)))
print(json.dumps({"proven": len(proven), "wrong": wrong}))

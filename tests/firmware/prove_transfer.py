"""Downloads that a network makes difficult, over real connections, on MicroPython. Prints a JSON document.

Arguments: the folder that holds the package, the folder of the vectors, a seed.
"""

import asyncio
import json
import random
import struct
import sys
from binascii import a2b_base64
from hashlib import sha256

import prove_slot
from findings import expect, wrong
from prove_memory import unpacked
from prove_slot import WRITE_US, App, Files, TransferError, Unreachable, fetch

TICK_US = 50_000
EVERY = 1999  # bytes between two places where the connection breaks
STATUS = b"HTTP/1.1 206 Partial\r\n"
results = {}


with open(sys.argv[2] + "/transfer.json") as file:
    case = json.load(file)["good"][0]
base = unpacked(case["base"])
image, delta = unpacked(case["image"]), a2b_base64(case["transfer"])
INDEX = 48 + 16 * 4
SIZES = [int.from_bytes(delta[48 + 16 * n : 52 + 16 * n], "little") for n in range(4)]
RUNNING = App(base), sha256(base).digest()


def longer():
    """An image and its transfer, with much to fetch: the four segments above, and two of noise before the last."""
    noise = [bytes(random.getrandbits(8) for _ in range(65536)) for _ in range(2)]
    parts = [image[: 3 * 65536], noise[0], noise[1], image[3 * 65536 :]]
    rows = [delta[48 + 16 * n : 64 + 16 * n] for n in range(4)]
    rows[3:3] = [struct.pack("<II", 65536, 3) + sha256(each).digest()[:8] for each in noise]
    past = len(delta) - SIZES[3]
    head = delta[:6] + struct.pack("<HI", 6, len(image) + 2 * 65536) + delta[12:48]
    return b"".join(parts), b"".join((head, b"".join(rows), delta[INDEX:past], noise[0], noise[1], delta[past:]))


def new_slot(clock=None):
    return prove_slot.slot(len(image), clock)


async def download(files, slot, running=RUNNING):
    """Empty when the slot holds what `files` has as the image; else why not."""
    files.asked.clear()
    files.connections = 0
    content = files.files["/image"]
    try:
        await fetch(files.address, ("/transfer", "/image"), len(content), running, slot)
    except (TransferError, Unreachable) as error:
        return "{}: {}".format(type(error).__name__, error)
    return "" if slot.view[: len(content)] == memoryview(content) else "another image"


def waste(file, position):
    """What a connection that breaks there may cost: what had come of a segment, and another index."""
    index = 48 + 16 * file[6]
    begins = index
    for n in range(file[6]):
        past = begins + int.from_bytes(file[48 + 16 * n : 52 + 16 * n], "little")
        if begins <= position < past:
            return position - begins + index
        begins = past
    return index


async def resume(files):
    """The connection breaks at each of many places, and the next download goes on."""
    content, file = files.files["/image"], files.files["/transfer"]
    drops = 0
    for position in range(0, len(file) + EVERY, EVERY):
        position = min(position, len(file) - 1)
        slot = prove_slot.slot(len(content))
        files.budget, files.sent = position, 0
        said = await download(files, slot)
        if said and not said.startswith("Unreachable"):
            wrong.append("broken at {}: {}".format(position, said))
        files.budget = None
        expect("whole after a break at {}".format(position), await download(files, slot), "")
        most = len(file) + waste(file, position)
        if files.sent > most:
            wrong.append("broken at {}: {} bytes sent instead of {}".format(position, files.sent, most))
        drops += 1
    return drops


async def resume_at_once(files):
    """The connection breaks once: that is no failure when it had brought anything, and nothing is sent again."""
    file = files.files["/transfer"]
    past = 48 + 16 * file[6]
    places = list(range(past, len(file), 19_993))
    places += [1, past - 1]
    for n in range(file[6]):
        past += int.from_bytes(file[48 + 16 * n : 52 + 16 * n], "little")
        places.append(past)
    files.then = None
    for place in places:
        files.budget, files.sent = place, 0
        slot = prove_slot.slot(len(files.files["/image"]))
        expect("broken once at {}".format(place), await download(files, slot), "")
        expect("connections", files.connections, 1 if place == len(file) else 2)
        expect("bytes sent", files.sent, len(file))
    files.budget, files.then = None, 0
    return len(places)


async def resume_each_time(files):
    """No connection brings as much as a segment; then none brings anything."""
    content, file = files.files["/image"], files.files["/transfer"]
    for each in (997, 60_000):
        files.budget = files.then = each
        files.sent = 0
        expect("broken each {}".format(each), await download(files, prove_slot.slot(len(content))), "")
        expect("connections, broken each {}".format(each), files.connections, -(-len(file) // each))
        expect("bytes sent, broken each {}".format(each), files.sent, len(file))
    files.budget, files.then = 100_000, 0
    said = await download(files, prove_slot.slot(len(content)))
    expect("broken, then nothing", (said[:12], files.connections), ("Unreachable:", 2))
    files.budget = 0
    said = await download(files, prove_slot.slot(len(content)))
    expect("nothing", (said[:12], files.connections), ("Unreachable:", 1))
    files.budget = None


async def resume_again_and_again(files):
    """Connections of random lengths, until it is done."""
    content, file = files.files["/image"], files.files["/transfer"]
    slot = prove_slot.slot(len(content))
    files.sent, tries, said = 0, 0, "no"
    while said:
        files.budget = random.randrange(100_000)
        said = await download(files, slot)
        tries += 1
        if tries > 200:
            wrong.append("not done after 200 breaks")
            break
    files.budget = None
    expect("not more than the breaks can cost", files.sent <= len(file) + tries * (65536 + 48 + 16 * file[6]), True)
    return tries


async def requests(files):
    """What is asked for, as the slot has it."""
    slot = new_slot()
    expect("all", await download(files, slot), "")
    past = len(delta)
    expect("requests for all", files.asked, [("/transfer", 0, INDEX), ("/transfer", INDEX, past)])
    expect("connections for all", files.connections, 1)
    slot.written = 0
    expect("again", await download(files, slot), "")
    expect("requests for nothing", (files.asked, slot.written), ([("/transfer", 0, INDEX)], 0))
    slot.view[65536] ^= 1
    slot.view[0] ^= 1
    slot.view[3 * 65536] ^= 1
    expect("gaps", await download(files, slot), "")
    gaps = [("/transfer", INDEX, INDEX + SIZES[1]), ("/transfer", past - SIZES[3], past)]
    expect("requests for gaps", files.asked[1:], gaps)
    expect("connections for gaps", files.connections, 1)
    expect("sectors written", slot.written, 3)


async def ways(files):
    """Servers and proxies that do things their own way."""
    files.ranges = False
    slot = new_slot()
    expect("without ranges", await download(files, slot), "")
    expect("requests without ranges", files.asked, [("/transfer", 0, len(delta))])
    slot.view[0] ^= 1
    slot.view[65536 * 2] ^= 1
    expect("without ranges, a gap", await download(files, slot), "")
    expect("requests for a gap without ranges", len(files.asked), 1)
    files.budget, files.then = len(delta) // 2, None
    expect("without ranges, broken once", await download(files, new_slot()), "")
    expect("requests without ranges, broken once", files.asked, [("/transfer", 0, len(delta))] * 2)
    files.budget, files.then = len(delta) // 2, len(delta) // 2
    expect("without ranges, broken each time", (await download(files, new_slot()))[:12], "Unreachable:")
    expect("requests without ranges, broken each time", len(files.asked), 2)
    files.budget, files.then = None, 0
    files.ranges = True
    for closes in ("says", "does not say"):
        files.closes = closes
        expect("server closes and " + closes, await download(files, new_slot()), "")
        expect("connections when it closes", (files.connections, files.late), (2, 0))
    files.closes = ""


async def fallback(files):
    """A segment that comes out wrong is fetched raw, once."""
    good, at = files.files["/transfer"], INDEX + SIZES[1] // 2
    files.files["/transfer"] = good[:at] + bytes([good[at] ^ 255]) + good[at + 1 :]
    expect("a payload with an error", await download(files, new_slot()), "")
    expect("raw", files.asked[2:], [("/image", 65536, 131072)])
    expect("connections for raw", files.connections, 1)
    files.files["/image"] = image[:70_000] + b"x" + image[70_001:]
    expect("wrong again", await download(files, new_slot()), "TransferError: segment 1: wrong")
    files.files["/image"], files.ranges = image, False
    slot = new_slot()
    slot.view[3 * 65536 : len(image)] = image[3 * 65536 :]
    expect("raw, while the rest of the transfer is on its way", await download(files, slot), "")
    expect("requests for that", [path for path, _, _ in files.asked], ["/transfer", "/image"])
    files.files["/transfer"], files.ranges = good, True
    other = App(base), sha256(b"another").digest()
    slot = new_slot()
    expect("another base", (await download(files, slot, other))[:28], "TransferError: a transfer ag")
    expect("no base", (await download(files, slot, (App(base), None)))[:28], "TransferError: a transfer ag")
    expect("written", slot.written, 0)


ANSWERS = {
    "another range": (STATUS + b"Content-Range: bytes 1-112/{}\r\nContent-Length: 112\r\n\r\n", "asked for 0-111"),
    "a longer range": (STATUS + b"Content-Range: bytes 0-112/{}\r\nContent-Length: 113\r\n\r\n", "asked for 0-111"),
    "a lie about it": (STATUS + b"Content-Range: bytes 0-111/{}\r\nContent-Length: 111\r\n\r\n", "asked for 0-111"),
    "no total": (STATUS + b"Content-Range: bytes 0-111/*\r\nContent-Length: 112\r\n\r\n", "asked for 0-111"),
    "no range": (STATUS + b"Content-Length: 112\r\n\r\n", "asked for 0-111"),
    "gone": (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "the server answered 404"),
    "elsewhere": (b"HTTP/1.1 302 Found\r\nLocation: /image\r\nContent-Length: 0\r\n\r\n", "the server answered 302"),
    "not to be had": (b"HTTP/1.1 416 Range\r\nContent-Length: 0\r\n\r\n", "the server answered 416"),
    "a file that is too short": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 111\r\n\r\n",
        "a file of 111 bytes instead of 112",
    ),
    "another file": (b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n", "not a transfer"),
    "chunks": (b"HTTP/1.1 206 Partial\r\nTransfer-Encoding: chunked\r\n\r\n", "an answer without a length"),
}


async def answers(files):
    for what, (head, says) in ANSWERS.items():
        files.raw = bytes(head.decode().format(len(delta)), "ascii") + bytes(200)
        slot = new_slot()
        said = await download(files, slot)
        expect("{} ({})".format(what, said), says in said, True)
        expect("written", slot.written, 0)
    files.raw = None
    return len(ANSWERS)


async def ticks(files):
    """A task that is due every 50 ms is never later than a sector takes. The clock is that of the flash alone."""
    clock = [0]
    longest, worst, ticked = 0, 0, 0

    async def tick():
        nonlocal longest, worst, ticked
        due, last = TICK_US, 0
        while True:
            await asyncio.sleep(0)
            longest, last = max(longest, clock[0] - last), clock[0]
            if last >= due:
                worst = max(worst, last - due)
                ticked += 1
                due = last + TICK_US

    ticking = asyncio.create_task(tick())
    slot, running = new_slot(clock), (App(base, clock), RUNNING[1])
    for what in ("all", "a part"):
        expect(what, await download(files, slot, running), "")
        expect(what, await prove_slot.slots.Writer().matches(slot, len(image), sha256(image).digest()), True)
        slot.view[70_000:90_000] = bytes(20_000)
    ticking.cancel()
    expect("between two turns of the others", longest, WRITE_US)
    return {"longest_us": longest, "latest_us": worst, "ticks": ticked, "flash_us": clock[0]}


async def main():
    random.seed(int(sys.argv[3]))
    files = Files({"/transfer": delta, "/image": image})
    await files.start()
    for proof in (
        requests,
        ways,
        fallback,
        answers,
        ticks,
        resume,
        resume_at_once,
        resume_each_time,
        resume_again_and_again,
    ):
        if proof is resume:
            files.files["/image"], files.files["/transfer"] = longer()
        results[proof.__name__] = await proof(files)


asyncio.run(main())
print(json.dumps({"wrong": wrong[:20], "results": results}))

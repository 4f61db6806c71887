"""What real builds of MicroPython for the ESP32 did, row by row: what was seen, how to see it again, and what there is
to be seen. Seen on ESP32_GENERIC-OTA 1.25.0 and 1.26.0 with their own bootloader; where a row says "source", it was
read in ports/esp32 or ESP-IDF v5.5.2.

Each step of a row runs in a boot of its own, on a board with a bootable image in both slots. A step that does not end
otherwise ends in a reset. Not here is what differs on purpose: the heap, which has 128 KiB on a simulated board and
about 160 on a real one, and the flash, which raises where the chip's bits would be lost, unless it is told to be like
the chip, as it is here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

HELPERS = """
import binascii, hashlib, json, machine, os, struct, time
from esp32 import NVS, Partition as P
STATES = ("NEW", "PENDING_VERIFY", "VALID", "INVALID", "ABORTED")
sector = bytearray(4096)
running = P(P.RUNNING)
def see(*values):
    for value in values:
        print("SEEN", json.dumps(value))
def told(call, *args):
    try:
        return call(*args)
    except OSError as error:
        return ("OSError",) + error.args
    except Exception as error:
        return type(error).__name__
def label(partition):
    return partition.info()[4]
def entry(n):
    data = bytearray(32)
    P.find(P.TYPE_DATA, 0)[0].readblocks(n, data)
    seq, _, state, crc = struct.unpack("<I20sII", data)
    return (seq, STATES[state]) if crc == binascii.crc32(data[:4], 0xFFFFFFFF) and seq < 0xFFFFFFFF else None
def slots():
    see([label(P(P.RUNNING)), label(P(P.BOOT)), entry(0), entry(1)])
def confirm():
    return told(P.mark_app_valid_cancel_rollback)
def noise(n):
    return b"".join([hashlib.sha256(bytes((n, m))).digest() for m in range(128)])
def byte(partition, at):
    partition.readblocks(at // 4096, sector)
    return sector[at % 4096]
def power_off():
    print("POWER OFF")
    time.sleep(999)
"""

OTA = "the slots of the OTA build"
ONE_APP = "one factory app"
ONE_SLOT = "a single OTA slot"

SIZE = ["OSError", -260, "ESP_ERR_INVALID_SIZE"]
ARGUMENT = ["OSError", -258, "ESP_ERR_INVALID_ARG"]
NOT_FOUND = ["OSError", -261, "ESP_ERR_NOT_FOUND"]
NOT_VALID = ["OSError", -5379, "ESP_ERR_OTA_VALIDATE_FAILED"]

SELECTED = ["ota_0", "ota_1", [1, "VALID"], [2, "NEW"]]
PENDING = ["ota_1", "ota_1", [1, "VALID"], [2, "PENDING_VERIFY"]]
CONFIRMED = ["ota_1", "ota_1", [1, "VALID"], [2, "VALID"]]
ROLLED_BACK = ["ota_0", "ota_0", [1, "VALID"], [2, "ABORTED"]]
SELECT = 'P("ota_1").set_boot()'


@dataclass(frozen=True)
class Row:
    """`seen` is all that the steps print with `see`, as JSON has it."""

    says: str
    steps: tuple[str, ...]
    seen: list[Any]
    table: str = OTA
    with_tls: bool = False


def row(says: str, code: str, *seen: Any, **how: Any) -> Row:
    return Row(says, (code,), list(seen), **how)


PARTITIONS = [
    row("find() without arguments lists apps only", "see([label(p) for p in P.find()])", ["ota_0", "ota_1"]),
    row("find() of what is not there is an empty list", "see(P.find(P.TYPE_DATA, 77))", []),
    row("an unknown label is ENOENT", 'see(told(P, "nope"))', ["OSError", 2]),
    row(
        "info() has type, subtype, address, size, label and whether it is encrypted",
        "see(*[p.info() for p in P.find() + P.find(P.TYPE_DATA)])",
        [0, 16, 65536, 1572864, "ota_0", False],
        [0, 17, 1638400, 1572864, "ota_1", False],
        [1, 2, 36864, 16384, "nvs", False],
        [1, 0, 53248, 8192, "otadata", False],
        [1, 1, 61440, 4096, "phy_init", False],
        [1, 129, 3211264, 983040, "vfs", False],
    ),
    row("find() takes a label (source)", 'see([label(p) for p in P.find(P.TYPE_DATA, label="vfs")])', ["vfs"]),
    row("two objects of one slot are unequal", 'see(P("ota_0") == P("ota_0"))', False),
    row("ioctl tells blocks and their size", 'see(P("ota_1").ioctl(4, 0), P("ota_1").ioctl(5, 0))', 384, 4096),
    row("ioctl 1, 2 and 3 return 0 (source)", "see([running.ioctl(op, 0) for op in (1, 2, 3)])", [0, 0, 0]),
    row("a block size of 65536 becomes 0 (source)", 'see(P("ota_1", 65536).ioctl(5, 0))', 0),
    row("erasing with another block size returns -EINVAL (source)", 'see(P("ota_1", 512).ioctl(6, 0))', -22),
    row(
        "a write of two sectors erases and writes both",
        """
for bits in (b"\\x0f", b"\\xf0"):
    see(P("ota_1").writeblocks(0, bits * 8192), byte(P("ota_1"), 0), byte(P("ota_1"), 8191))
""",
        *(None, 0x0F, 0x0F, None, 0xF0, 0xF0),
    ),
    row(
        "a write of no whole sectors is -260 and changes nothing",
        'see(told(P("ota_1").writeblocks, 0, bytes(100)), byte(P("ota_1"), 0))',
        *(SIZE, 0xE9),
    ),
    row("a write past the end is -260", 'see(told(P("ota_1").writeblocks, 383, bytes(8192)))', SIZE),
    row("a read past the end is -260", 'see(told(P("ota_1").readblocks, 383, bytearray(8192)))', SIZE),
    row(
        "block -1 is -258",
        'see(told(P("ota_1").readblocks, -1, sector), told(P("ota_1").writeblocks, -1, sector))',
        *(ARGUMENT, ARGUMENT),
    ),
    row(
        "a write with an offset ANDs bits, and may cross a block's end",
        """
other = P("ota_1")
for n in (0, 1):
    other.ioctl(6, n)
other.writeblocks(0, b"\\x0f\\x0f", 4095)
see(byte(other, 4096))
other.writeblocks(0, b"\\xf0\\xf0", 4095)
see(byte(other, 4095), byte(other, 4096))
""",
        *(0x0F, 0x00, 0x00),
    ),
    *(
        Row(
            f"{what} the running slot raises nothing: the chip aborts",
            (f"{code}\nsee('never')", "see('again')"),
            ["again"],
        )
        for what, code in {
            "erasing": "running.ioctl(6, 0)",
            "writing to": "running.writeblocks(0, sector)",
            "programming": "running.writeblocks(0, b'x', 0)",
        }.items()
    ),
    row("get_next_update() is the other slot", "see(label(running.get_next_update()))", "ota_1"),
    row(
        "get_next_update() of a single OTA slot is the running one (source)",
        "see(label(running), label(running.get_next_update()))",
        *("ota_0", "ota_0"),
        table=ONE_SLOT,
    ),
]

SWITCHING = [
    row("a fresh chip boots ota_0, as (1, VALID)", "slots()", ["ota_0", "ota_0", [1, "VALID"], None]),
    row("the CRC of sequence 1 is 0x4743989A", 'see(binascii.crc32(b"\\1\\0\\0\\0", 0xFFFFFFFF))', 0x4743989A),
    *(
        row(
            f"set_boot of {what} is refused, and BOOT stays",
            f"{code}\nsee(told(p.set_boot), label(P(P.BOOT)))",
            NOT_VALID,
            "ota_0",
        )
        for what, code in {
            "an erased image": 'p = P("ota_1")\nfor n in range(8):\n    p.ioctl(6, n)',
            "a zeroed image": 'p = P("ota_1")\np.writeblocks(0, bytes(32768))',
            "a random image": 'p = P("ota_1")\nfor n in range(8):\n    p.writeblocks(n, noise(n))',
            "an image with one bit flipped": 'p = P("ota_1")\nbyte(p, 9)\nsector[9] ^= 1\np.writeblocks(0, sector)',
            "an image that was cut short": 'p = P("ota_1")\nfor n in range(2, 8):\n    p.ioctl(6, n)',
            "a data partition": 'p = P("vfs")',
        }.items()
    ),
    *(
        Row(
            f"{what} ends an unconfirmed boot: the old slot, ABORTED",
            (f"{SELECT}\nslots()", f"slots()\n{code}", f"slots()\n{cause}"),
            [SELECTED, PENDING, ROLLED_BACK, *causes],
        )
        for what, code, cause, causes in (
            ("machine.reset()", "machine.reset()", "", []),
            (
                "the watchdog, which is reset cause 3,",
                "machine.WDT(timeout=1)\ntime.sleep(999)",
                "see(machine.reset_cause())",
                [3],
            ),
            ("a crash", "running.ioctl(6, 0)", "", []),
            ("a power cycle, which is reset cause 1,", "power_off()", "see(machine.reset_cause())", [1]),
        )
    ),
    *(
        Row(f"{what} does not end an unconfirmed boot", (SELECT, f"slots()\n{code}", "slots()"), [PENDING, PENDING])
        for what, code in {"machine.soft_reset()": "machine.soft_reset()", "Ctrl-D": "ctrl_d = True"}.items()
    ),
    Row("a confirmed boot is kept", (SELECT, "see(confirm())\nslots()", "slots()"), [None, CONFIRMED, CONFIRMED]),
    Row(
        "set_boot works again on a slot that is ABORTED",
        (SELECT, "machine.reset()", f"slots()\n{SELECT}\nslots()"),
        [ROLLED_BACK, SELECTED],
    ),
    row(
        "confirming what is VALID already returns None",
        "see(confirm())\nslots()",
        None,
        ["ota_0", "ota_0", [1, "VALID"], None],
    ),
    row(
        "with one app, there is nothing to select, to confirm or to go to",
        "see(told(running.set_boot), confirm(), told(P, P.BOOT), told(running.get_next_update))",
        *(NOT_FOUND, NOT_FOUND, ["OSError", 2], ["OSError", 2]),
        table=ONE_APP,
    ),
    Row(
        "confirming without an active entry is OSError(1) (source)",
        ("for n in (0, 1):\n    P('otadata').writeblocks(n, bytes(4096))", "see(confirm())"),
        [["OSError", 1]],
    ),
]

TRAPS = [
    Row(
        "trap 1: while pending, set_boot of the old slot is taken; that is then pending itself",
        (SELECT, 'see(told(P("ota_0").set_boot))', "slots()\nconfirm()", "slots()"),
        [
            None,
            ["ota_0", "ota_0", [3, "PENDING_VERIFY"], [2, "ABORTED"]],
            ["ota_0", "ota_0", [3, "VALID"], [2, "ABORTED"]],
        ],
    ),
    Row(
        "trap 2: confirming after the bootloader fell back makes the broken slot VALID, and the first to be tried",
        (f"{SELECT}\nP('ota_1').writeblocks(0, bytes(4096), 0)", "slots()\nconfirm()", "slots()"),
        [
            ["ota_0", "ota_1", [1, "VALID"], [2, "PENDING_VERIFY"]],
            ["ota_0", "ota_1", [1, "VALID"], [2, "VALID"]],
        ],
    ),
    Row(
        "trap 3: set_boot of the running slot overwrites the other entry",
        (SELECT, "confirm()\nrunning.set_boot()\nslots()"),
        [["ota_1", "ota_1", [2, "NEW"], [2, "VALID"]]],
    ),
    Row(
        "trap 3: so does a second set_boot of a slot that is selected already, and the way back is lost",
        (f"{SELECT}\n{SELECT}\nslots()",),
        [["ota_0", "ota_1", [2, "NEW"], [2, "NEW"]]],
    ),
    Row(
        "trap 4: with one entry torn, the other one's slot boots",
        (SELECT, "confirm()\nP('otadata').writeblocks(1, bytes(4096))", "slots()"),
        [["ota_0", "ota_0", [1, "VALID"], None]],
    ),
    Row(
        "trap 4: with both entries erased, ota_0 boots as VALID",
        (SELECT, "confirm()\nfor n in (0, 1):\n    P('otadata').ioctl(6, n)", "slots()"),
        [["ota_0", "ota_0", [1, "VALID"], None]],
    ),
    Row(
        "trap 4: with both entries erased and ota_0 damaged, ota_1 boots as VALID",
        (SELECT, "confirm()\nP('ota_0').ioctl(6, 0)\nfor n in (0, 1):\n    P('otadata').ioctl(6, n)", "slots()"),
        [["ota_1", "ota_1", [2, "VALID"], None]],
    ),
    Row(
        "trap 4: when the new image is pending and the old one damaged, the ABORTED image still boots",
        (SELECT, "P('ota_0').ioctl(6, 0)", "slots()"),
        [["ota_1", "ota_0", [1, "VALID"], [2, "ABORTED"]]],
    ),
]

SHAKE = """
import socket, ssl
def shake(name="localhost"):
    plain = socket.socket()
    plain.connect(socket.getaddrinfo("127.0.0.1", int(open("/port").read()))[0][-1])
    context.wrap_socket(plain, server_hostname=name).write(b"x")
    return "connected"
def set_clock():
    machine.RTC().datetime(json.load(open("/now")))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""
PINNED = f'{SHAKE}\ncontext.load_verify_locations(cafile="/ca.pem")'
REQUIRED = f"{PINNED}\ncontext.verify_mode = ssl.CERT_REQUIRED"

TLS = [
    row("the clock of a chip starts in 2000", "see(machine.RTC().datetime()[0])", 2000),
    row(
        "a new client context verifies nothing",
        f"{SHAKE}\nsee(context.verify_mode, told(shake))",
        0,
        "connected",
        with_tls=True,
    ),
    row(
        "nor does one with a CA",
        f'{PINNED}\nsee(context.verify_mode, told(shake, "elsewhere"))',
        *(0, "connected"),
        with_tls=True,
    ),
    row("a certificate that holds is taken", f"{REQUIRED}\nset_clock()\nsee(told(shake))", "connected", with_tls=True),
    row(
        "with CERT_REQUIRED a wrong name is a ValueError",
        f'{REQUIRED}\nset_clock()\nsee(told(shake, "elsewhere"))',
        "ValueError",
        with_tls=True,
    ),
    row(
        "with CERT_REQUIRED and no CA it is OSError -30336",
        f"{SHAKE}\ncontext.verify_mode = ssl.CERT_REQUIRED\nset_clock()\nsee(told(shake)[:2])",
        ["OSError", -30336],
        with_tls=True,
    ),
    row(
        "with the clock of a start every certificate starts in the future",
        f"""{REQUIRED}
try:
    shake()
except ValueError as error:
    see("validity starts in the future" in str(error))
""",
        True,
        with_tls=True,
    ),
]

NVS = [
    row(
        "what NVS does not have is -4354 (source)",
        'see(told(NVS("test").get_i32, "k"), told(NVS("test").erase_key, "k"))',
        *(["OSError", -4354, "ESP_ERR_NVS_NOT_FOUND"],) * 2,
    ),
    Row(
        "what NVS has been given is there after a reset, until it is erased (source)",
        (
            'nvs = NVS("test")\nnvs.set_i32("k", -5)\nnvs.set_blob("b", b"abc")\nnvs.commit()',
            'nvs = NVS("test")\nsee(nvs.get_i32("k"), nvs.get_blob("b", sector), list(sector[:3]))\nnvs.erase_key("k")',
            'see(told(NVS("test").get_i32, "k"), NVS("test").get_blob("b", sector))',
        ),
        [-5, 3, [97, 98, 99], ["OSError", -4354, "ESP_ERR_NVS_NOT_FOUND"], 3],
    ),
]

LANGUAGE = [
    row(
        "these modules are not built in (source)",
        """
missing = []
for name in ("typing", "enum", "dataclasses", "contextlib", "functools", "logging", "hmac"):
    try:
        __import__(name)
    except ImportError:
        missing.append(name)
see(missing)
""",
        ["typing", "enum", "dataclasses", "contextlib", "functools", "logging", "hmac"],
    ),
    row(
        "sha256 gives its digest once, and none in hex; there is no sha512 (source)",
        """
import hashlib
h = hashlib.sha256(b"x")
h.digest()
see(told(h.digest), hasattr(h, "hexdigest"), hasattr(hashlib, "sha512"))
""",
        *("ValueError", False, False),
    ),
    row(
        "json.dumps sorts no keys (source)",
        "see(told(lambda: json.dumps({}, sort_keys=True)))",
        "TypeError",
    ),
    row(
        "CancelledError is no Exception (source)",
        "import asyncio\nsee(issubclass(asyncio.CancelledError, Exception))",
        False,
    ),
    row("a chip's own number has six bytes (source)", "see(len(machine.unique_id()))", 6),
    row("words have four bytes", "import sys\nsee(sys.maxsize)", 2147483647),
    row("deflate only decompresses", 'import deflate\nsee(hasattr(deflate.DeflateIO, "write"))', False),
]

ROWS = [*PARTITIONS, *SWITCHING, *TRAPS, *NVS, *TLS, *LANGUAGE]

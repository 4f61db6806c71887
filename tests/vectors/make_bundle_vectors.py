"""The vectors of bundles. What files hold is in hex, transfers are in base64."""

import base64
import hashlib
import struct
import zlib

from bundle_file import carrying, listed, payload, transfer_of
from transfer_file import deflated

FILES = {
    "app/__init__.py": b"from .kettle import main\n",
    "app/kettle.mpy": b"M\x06\x00\x1f" + hashlib.shake_256(b"kettle").digest(300),
    "app/settings.py": b"LITRES = 1.7\n" * 400,
    "data/Table of 100.csv": b"".join(b"%d,%d\n" % (n, n * n) for n in range(2000)),
    "data/empty": b"",
    "lib/a/b/c/d/e/f/" + "g" * 112: b"8 parts, 128 characters",
}
ONE = {"app.py": b"LITRES = 1.7\n" * 40}
TAIL = struct.Struct("<H3B")


def with_bundle(fields: dict, files: dict[str, bytes], mpy: int, micropython: list[int]) -> dict:
    """The fields of a manifest that names a bundle of the files in the place of an image."""
    listing = listed(files)
    named = {"size": len(listing), "sha256": hashlib.sha256(listing).hexdigest()}
    return {**fields, **named, "kind": 8, "mpy": mpy, "micropython": micropython}


def bundle_tail(fields: dict) -> bytes:
    """What a manifest has of a bundle alone."""
    return TAIL.pack(fields["mpy"], *fields["micropython"])


def good() -> list[dict]:
    return [
        {
            "why": why,
            "files": [{"path": path, "content": content.hex()} for path, content in files.items()],
            "list": listed(files).hex(),
            "sha256": hashlib.sha256(listed(files)).hexdigest(),
            "transfer": base64.b64encode(transfer_of(files)).decode(),
        }
        for why, files in (
            ("several files", FILES),
            ("one file", ONE),
            ("one empty file", {"marker": b""}),
            ("paths that look like others", dict.fromkeys(TAKEN.split(), b"x")),
            ("files and folders in the order of bytes", {"a": b"1", "a.b": b"2", "a0/b": b"3", "b/c": b"4"}),
        )
    ]


TAKEN = (
    "app.list app.py boots.py domain.py lib/.list lib/io.py lib/main.py lib/ssl/a.py main.old.py osiris.py time.old.py"
    " twinslot2/a.py ujson.py"
)
IMPORTED = (
    "_asyncio array asyncio binascii builtins deflate errno esp32 gc hashlib io json machine micropython network"
    " ntptime os select socket ssl struct sys time tls"
)
REFUSED = {
    "a path that begins with /": "/app.py",
    "a path that ends with /": "app/",
    "a part that is empty": "app//kettle.py",
    "a part that is .": "./app.py",
    "a part that is ..": "lib/../app.py",
    "a path that leads out": "../app.py",
    "a path that is not ASCII": "küche.py",
    "a path with a control character": "app\n.py",
    "a path with DEL": "app\x7f.py",
    "a path with a NUL": "app\0.py",
    "a path with a backslash": "app\\kettle.py",
    "a path of 129 characters": "a" * 129,
    "a path of 9 parts": "a/b/c/d/e/f/g/h/i",
    "the device package's folder": "twinslot/agent.py",
    "a module of the device package's name": "twinslot.mpy",
    "what decides how a board starts": "boot.py",
    "the same, in other letters": "MAIN.mpy",
    "main without a suffix": "main",
    "main as a folder": "Main/a.py",
    **{f"in the place of MicroPython's {name}": f"{name}.py" for name in IMPORTED.split()},
    "the same, compiled": "json.mpy",
    "the same, as a folder": "asyncio/core.py",
    "the same, in other letters and without a suffix": "SSL",
    "the list's own name": ".list",
    "a folder of the list's own name": ".list/a",
    "no path": "",
}


def bad_lists() -> list[dict]:
    whole = listed(FILES)
    two = {"a.py": b"1", "b.py": b"2"}
    name_end = struct.calcsize("<4sBBHI32s")
    many = {f"{number:03}" + "x" * 125: b"" for number in range(50)}
    bad = {
        "nothing": b"",
        "the head alone": whole[:8],
        "another magic": b"TWTL" + whole[4:],
        "format 2": whole[:4] + b"\2" + whole[5:],
        "a byte after the format": whole[:5] + b"\1" + whole[6:],
        "no files": listed({}),
        "no files, with a row": listed(two, 0),
        "a file less than there are": listed(two, 1),
        "a file more than there are": listed(two, 3),
        "cut short in a hash": whole[:30],
        "cut short before a path": listed(ONE)[:name_end],
        "cut short in a path": whole[:-1],
        "a byte too many": whole + b"\0",
        "not in the order of bytes": listed(dict(reversed(two.items()))),
        "in the order of letters": listed({"a.py": b"1", "B.py": b"2"}),
        "the same path twice": listed(two)[:-4] + b"a.py",
        "a file where another needs a folder": listed({"lib": b"1", "lib/a.py": b"2"}),
        "a file where another needs a folder, with one between": listed({"lib": b"1", "lib.py": b"2", "lib/a": b"3"}),
        "a file where another needs two folders": listed({"lib/a": b"1", "lib/a/b/c": b"2"}),
        "more than 8192 bytes": listed(many),
    }
    bad |= {why: listed({path: b"1"}) for why, path in REFUSED.items()}
    return [{"why": why, "list": data.hex()} for why, data in bad.items()]


def bad_transfers() -> list[dict]:
    """Those whose head, list or lengths are wrong, which shows before any payload."""
    whole, listing = transfer_of(ONE), listed(ONE)
    (content,) = ONE.values()
    small = payload(content)
    two = {"a.py": b"1", "b.py": b"2"}
    bad = {
        "nothing": b"",
        "cut short in the head": whole[:11],
        "another magic": b"TWTR" + whole[4:],
        "format 2": whole[:4] + b"\2" + whole[5:],
        "a byte after the format": whole[:5] + b"\1" + whole[6:],
        "another number of files than its list": whole[:6] + b"\2" + whole[7:],
        "a list of 0 bytes": whole[:8] + bytes(4) + whole[12:],
        "a list of a byte less": whole[:8] + struct.pack("<I", len(listing) - 1) + whole[12:],
        "a list that is wrong": carrying(listed({"boot.py": content}), [small]),
        "a list of more than 8192 bytes": carrying(listed({f"{n:03}" + "x" * 125: b"" for n in range(50)}), [b""] * 50),
        "cut short in the lengths": whole[: 12 + len(listing) + 3],
        "a payload longer than its file": carrying(listing, [content + b"\n"]),
        "a payload of 0 bytes": carrying(listing, [b""]),
        "a payload that is longer than said": whole + b"x",
        "a payload that is cut": whole[:-1],
        "lengths that add up, of which one is too long": carrying(listed(two), [b"1", b"2"], [2, 0]),
    }
    return [{"why": why, "transfer": base64.b64encode(data).decode()} for why, data in bad.items()]


def bad_payloads() -> list[dict]:
    """Transfers of one file, whose payload is wrong."""
    (content,) = ONE.values()
    wide = zlib.compressobj(9, zlib.DEFLATED, -15)
    noise = hashlib.shake_256(b"noise").digest(8192)
    far = noise + noise
    small = deflated(content)
    bad = {
        "deflate that ends early": (content, small[:-1]),
        "deflate with a byte behind it": (content, small + b"\0"),
        "deflate of a byte more": (content, deflated(content + b"\n")),
        "deflate of a byte less": (content, deflated(content[:-1])),
        "deflate of another content": (content, deflated(content.replace(b"7", b"8"))),
        "deflate with a block of no type": (content, b"\x07" + small[1:]),
        "deflate with a window of 32 KiB": (far, wide.compress(far) + wide.flush()),
        "the file, with a wrong byte": (content, content[:-1] + b"x"),
        "deflate as long as its file": (noise[:20], deflated(bytes(30)).ljust(20, b"\0")),
    }
    return [
        {
            "why": why,
            "content": content.hex(),
            "transfer": base64.b64encode(carrying(listed({"app.py": content}), [data])).decode(),
        }
        for why, (content, data) in bad.items()
    ]


def formats() -> list[dict]:
    """The format of `.mpy` files that a bundle needs, what a board has, and whether they fit."""
    xtensawin, armv7emsp, rv32imc = 10 << 10, 7 << 10, 11 << 10
    board = 6 | 3 << 8 | xtensawin
    pairs = [
        ("any", 0, board, True),
        ("any, on a board that loads none", 0, 0, True),
        ("bytecode of the board's version", 6, board, True),
        ("bytecode, on a board without native code", 6, 6 | 3 << 8, True),
        ("bytecode with a sub-version, which counts for nothing", 6 | 1 << 8, board, True),
        ("bytecode of an older version", 5, board, False),
        ("bytecode of a newer version", 7, board, False),
        ("bytecode, on a board that loads none", 6, 0, False),
        ("native code of the board's", board, board, True),
        ("native code of an older sub-version", 6 | 2 << 8 | xtensawin, board, False),
        ("native code of a newer sub-version", board, 6 | 2 << 8 | xtensawin, False),
        ("native code of another architecture", 6 | 3 << 8 | armv7emsp, board, False),
        ("native code of a chip with another core", board, 6 | 3 << 8 | rv32imc, False),
        ("native code of another version", 5 | 3 << 8 | xtensawin, board, False),
        ("native code, on a board without any", board, 6 | 3 << 8, False),
    ]
    return [{"why": why, "bundle": bundle, "board": told, "fits": fits} for why, bundle, told, fits in pairs]


def micropythons() -> list[dict]:
    """The oldest MicroPython that a bundle runs on, what a board tells of its own, and whether it fits."""
    pairs = [
        ([0, 0, 0], "1.20.0", True),
        ([1, 26, 0], "1.26.0", True),
        ([1, 26, 0], "1.26.1", True),
        ([1, 26, 1], "1.26.0", False),
        ([1, 9, 4], "1.26.0", True),
        ([1, 26, 0], "1.9.4", False),
        ([2, 0, 0], "1.99.0", False),
        ([1, 26, 0], "2.0.0", True),
    ]
    return [{"bundle": bundle, "board": board, "fits": fits} for bundle, board, fits in pairs]

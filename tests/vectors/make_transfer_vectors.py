"""The vectors of transfers. Contents are deflated, with a window of 4 KiB, and in base64."""

import base64
import hashlib
import struct
import zlib

from transfer_file import DEFLATE, PATCH, RAW, SEGMENT, UNCHANGED, assemble, deflated, number
from transfer_file import transfer as made


def packed(content: bytes) -> str:
    return base64.b64encode(deflated(content)).decode()


def noise(name: str, size: int) -> bytes:
    return hashlib.shake_256(name.encode()).digest(size)


def lines(name: str, size: int) -> bytes:
    return b"".join(b"%s %d\n" % (name.encode(), n % 300) for n in range(size // 6))[:size]


BASE = lines("base", 2 * SEGMENT + 1000)
EDITED = BASE[70_000:90_000] + b"an insertion" + BASE[1000:20_000] + lines("new", 2000) + BASE[90_000:]
EACH_KIND = (
    BASE[:SEGMENT] + EDITED[: SEGMENT - 100] + noise("bits", 100) + lines("another", SEGMENT) + noise("last", 100)
)
SMALL_BASE = lines("small", 1000)
SMALL = noise("small", 200) + bytes(200)
TEXT = noise("text", 4200) * 2 + lines("text", 6000)


def case(why: str, image: bytes, base: bytes, file: bytes) -> dict:
    return {"why": why, "base": packed(base), "image": packed(image), "transfer": base64.b64encode(file).decode()}


def patch_of(
    *parts: tuple[bytes, bytes, int], to_size: int = len(SMALL), head: bytes = b"\0", dfpatch: int = 0
) -> bytes:
    """A patch of (differences, extra bytes, adjustment)."""
    made = head + number(to_size) + number(dfpatch)
    for diff, extra, adjustment in parts:
        made += number(len(diff)) + diff + number(len(extra)) + extra + number(adjustment)
    return made


def bad_patches() -> dict[str, bytes]:
    good = patch_of((b"", SMALL, 0))
    zeros = bytes(400)
    return {
        "in place": patch_of((b"", SMALL, 0), head=b"\x10"),
        "with heatshrink in it": patch_of((b"", SMALL, 0), head=b"\x04"),
        "of a byte more": patch_of((b"", SMALL + b"x", 0), to_size=401),
        "of a byte less": patch_of((b"", SMALL[:-1], 0), to_size=399),
        "with a data format": patch_of((b"", SMALL, 0), dfpatch=1),
        "beyond the end of the base": patch_of((b"", SMALL[:1], 702), (zeros[:399], b"", 0)),
        "before the beginning of the base": patch_of((b"", SMALL[:1], -1), (zeros[:399], b"", 0)),
        "with more to add than its segment": patch_of((zeros + b"\0", b"", 0)),
        "with more bytes than its segment": patch_of((zeros[:1], SMALL, 0)),
        "that says it takes more than its segment": good.replace(number(len(SMALL)) + SMALL, number(401) + SMALL),
        "with a number of bytes below 0": good[:4] + number(-1) + good[5:],
        "with a number of six bytes": good[:4] + number(0, 6) + good[5:],
        "that ends early": good[:-10],
        "without its last number": good[:-1],
        "with a byte behind it": good + b"\0",
        "with a wrong byte": patch_of((b"", SMALL[:-1] + bytes([SMALL[-1] ^ 1]), 0)),
        "that moves and moves": patch_of(*[(b"", b"", 1), (b"", b"", -1)] * 300, (b"", SMALL, 0)),
        "of nothing": b"",
    }


def bad_deflate() -> dict[str, bytes]:
    good = deflated(TEXT)
    wide = zlib.compressobj(9, zlib.DEFLATED, -15)
    return {
        "that ends early": good[:-1],
        "that has no end": good[:20],
        "with a byte behind it": good + b"\0",
        "of a byte more": deflated(TEXT + b"x"),
        "of a byte less": deflated(TEXT[:-1]),
        "with a window of 32 KiB": wide.compress(TEXT) + wide.flush(),
        "with a block of no type": b"\x07" + good[1:],
        "with empty blocks, more than a device has room for": b"\x00\x00\x00\xff\xff" * 500 + good,
        "of a megabyte": deflated(bytes(1 << 20)),
    }


def bad_indexes() -> dict[str, tuple[bytes, int]]:
    """Whole transfers, with the size of the image that they are said to be of."""
    size = len(EACH_KIND)
    good = made(EACH_KIND, BASE, (UNCHANGED, PATCH, DEFLATE, RAW))

    def row(n: int, data: bytes, at: int = 0) -> bytes:
        begins = 48 + 16 * n + at
        return good[:begins] + data + good[begins + len(data) :]

    without = bytes(36)
    u32 = struct.Struct("<I").pack
    (patch_bytes,) = struct.unpack_from("<I", good, 64)
    unneeded = made(SMALL, BASE, (RAW,))
    return {
        "another magic": (b"TWTS" + good[4:], size),
        "format 2": (good[:4] + b"\2" + good[5:], size),
        "a byte after the format": (good[:5] + b"\1" + good[6:], size),
        "a segment more": (good[:6] + b"\5" + good[7:], size),
        "an image of a byte less": (good[:8] + u32(size - 1) + good[12:], size),
        "of a shorter image": (good, size - 1),
        "of a longer image": (good, size + 1),
        "no base": (good[:12] + without + good[48:], size),
        "a base of 0 bytes": (good[:12] + bytes(4) + good[16:], size),
        "a base without a hash": (good[:16] + bytes(32) + good[48:], size),
        "another base": (good[:16] + b"\1" * 32 + good[48:], size),
        "a base larger than the slot": (good[:12] + u32(1 << 24) + good[16:], size),
        "an unchanged segment beyond the base": (good[:12] + u32(SEGMENT - 1) + good[16:], size),
        "a kind 4": (row(1, b"\4", 4), size),
        "a byte that should be zero": (row(0, b"\1", 7), size),
        "an unchanged segment with a payload": (row(0, u32(1)) + b"x", size),
        "a patch of 0 bytes": (row(1, bytes(4))[:112] + good[112 + patch_bytes :], size),
        "a patch as long as its segment": (row(1, u32(SEGMENT)), size),
        "deflate as long as its segment": (row(2, u32(SEGMENT)), size),
        "a raw segment of a byte less": (row(3, u32(99))[:-1], size),
        "an unneeded base of 0 bytes": (unneeded[:12] + bytes(4) + unneeded[16:], len(SMALL)),
        "an unneeded base without a hash": (unneeded[:16] + bytes(32) + unneeded[48:], len(SMALL)),
        "a payload that is longer than said": (good + b"x", size),
        "a payload that is cut": (good[:-1], size),
        "the head alone": (good[:48], size),
        "nothing": (b"", size),
    }


def transfer() -> dict:
    turned, whole, long = BASE[SEGMENT:] + BASE[:SEGMENT], lines("whole", SEGMENT), b"a" * (SEGMENT + 1)
    good = [
        ("each kind", EACH_KIND, BASE, (UNCHANGED, PATCH, DEFLATE, RAW)),
        ("patches that go back in the base", turned, BASE, (PATCH, PATCH, PATCH)),
        ("a patch that adds nothing", BASE[5:900], BASE, (PATCH,)),
        ("a base that nothing needs", SMALL, BASE, (RAW,)),
        ("one byte", b"\xe9", b"", (RAW,)),
        ("one whole segment", whole, b"", (DEFLATE,)),
        ("a byte more than a segment", long, b"", (DEFLATE, RAW)),
    ]
    bad = [(f"patch {why}", SMALL, SMALL_BASE, PATCH, deflated(data)) for why, data in bad_patches().items()]
    bad += [(f"deflate {why}", TEXT, b"", DEFLATE, data) for why, data in bad_deflate().items()]
    bad += [
        (
            "patch with a byte behind its deflate",
            SMALL,
            SMALL_BASE,
            PATCH,
            deflated(patch_of((b"", SMALL, 0))) + b"x",
        ),
        ("raw, with a wrong byte", SMALL, b"", RAW, SMALL[:-1] + b"x"),
        ("unchanged, but it was changed", SMALL, SMALL_BASE, UNCHANGED, b""),
    ]
    running = hashlib.sha256(BASE).hexdigest()
    return {
        "good": [case(why, image, base, made(image, base, kinds)) for why, image, base, kinds in good],
        "bad_indexes": [
            {
                "why": why,
                "size": size,
                "running": running,
                "index": file[: 48 + 16 * -(-size // SEGMENT)].hex(),
                "total": len(file),
            }
            for why, (file, size) in bad_indexes().items()
        ],
        "bad_payloads": [
            case(why, image, base, assemble(image, [(kind, data)], base)) for why, image, base, kind, data in bad
        ],
    }

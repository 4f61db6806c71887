"""Bundles and their manifests, made with nothing of the server's; and their transfers, read so."""

import gzip
import hashlib
import io
import json
import struct
import tarfile
import zlib

FILES = {
    "app/__init__.py": b"from .kettle import main\n",
    "app/kettle.py": b"LITRES = 1.7\n" * 200,
    "data/table.bin": hashlib.shake_256(b"table").digest(3000),
}
KNOWS = {"mpy": 0x2B06, "micropython": "1.26.0", "bundle": None}  # what a board tells that knows bundles
ONE_SLOT = KNOWS | {"slot_size": 0}


def described(files: dict[str, bytes], /, **told) -> dict:
    """What `bundle.json` tells of the files, those fields aside."""
    rows = [
        {"path": path, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for path, content in files.items()
    ]
    whole = {"format": 1, "chip": None, "mpy": 6, "micropython": None, "security_version": 0, "files": rows}
    return whole | told


def member(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> tuple:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(content), kind, link
    return info, content


def packed(members: list[tuple], layout: int = tarfile.GNU_FORMAT) -> bytes:
    """The `.tar.gz` of these members."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=layout) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return gzip.compress(file.getvalue(), mtime=0)


def members_of(files: dict[str, bytes], /, **told) -> list[tuple]:
    description = json.dumps(described(files, **told)).encode()
    return [member("bundle.json", description), *(member(f"files/{path}", data) for path, data in files.items())]


def make_bundle(files: dict[str, bytes] | None = None, /, **told) -> bytes:
    """A bundle as it is uploaded; `told` are fields of its `bundle.json` that are others than usual."""
    return packed(members_of(FILES if files is None else files, **told))


def listed(files: dict[str, bytes]) -> bytes:
    rows = [
        struct.pack("<I32sB", len(content), hashlib.sha256(content).digest(), len(path)) + path.encode()
        for path, content in files.items()
    ]
    return struct.pack("<4sBBH", b"TWBL", 1, 0, len(files)) + b"".join(rows)


def make_bundle_manifest(
    files: dict[str, bytes], sequence: int, specification: bytes | None = None, version: str = "1.1.0", **other
) -> bytes:
    """The manifest of that bundle, with a specification, if there is one."""
    listing = listed(files)
    kind, chip, security = 8 if specification is None else 10, other.get("chip", 0xFFFF), other.get("security", 0)
    head = struct.pack("<4sBBHIII", b"TWSM", 1, kind, chip, sequence, security, other.get("size", len(listing)))
    texts = b"".join(bytes([len(text)]) + text for text in (b"kettle", version.encode()))
    data = head + hashlib.sha256(listing).digest() + texts
    if specification is not None:
        data += struct.pack("<H", len(specification)) + hashlib.sha256(specification).digest()
    return data + struct.pack("<H3B", other.get("mpy", 6), *other.get("micropython", (0, 0, 0)))


def unpacked(transfer: bytes) -> tuple[bytes, list[bytes]]:
    """The list, and what each file holds, of a transfer."""
    magic, layout, zero, count, list_bytes = struct.unpack_from("<4sBBHI", transfer)
    assert (magic, layout, zero) == (b"TWTB", 1, 0)
    listing, at = transfer[12 : 12 + list_bytes], 12 + list_bytes
    lengths = struct.unpack_from(f"<{count}I", transfer, at)
    at += 4 * count
    contents, row = [], 8
    for length in lengths:
        size, sha256, named = struct.unpack_from("<I32sB", listing, row)
        row += 37 + named
        payload = transfer[at : at + length]
        assert len(payload) == length <= size
        content = payload if length == size else zlib.decompress(payload, -12)
        assert (len(content), hashlib.sha256(content).digest()) == (size, sha256)
        contents.append(content)
        at += length
    assert (at, row) == (len(transfer), len(listing))
    return listing, contents

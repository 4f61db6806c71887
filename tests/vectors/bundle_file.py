"""Lists of bundles and their transfers, made without any of the product's code (docs/protocol.md, "A bundle")."""

import hashlib
import struct
import zlib


def listed(files: dict[str, bytes], count: int | None = None) -> bytes:
    """The list of the files, in the order in which they are given."""
    rows = [
        struct.pack("<I32sB", len(content), hashlib.sha256(content).digest(), len(path.encode())) + path.encode()
        for path, content in files.items()
    ]
    return struct.pack("<4sBBH", b"TWBL", 1, 0, len(files) if count is None else count) + b"".join(rows)


def payload(content: bytes) -> bytes:
    """As short as it gets: raw deflate, or the content itself."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -12)
    return min(content, compressor.compress(content) + compressor.flush(), key=len)


def carrying(listing: bytes, payloads: list[bytes], lengths: list[int] | None = None) -> bytes:
    """The transfer with that list and these payloads, which are said to be of these lengths."""
    lengths = [len(each) for each in payloads] if lengths is None else lengths
    head = struct.pack("<4sBBHI", b"TWTB", 1, 0, len(payloads), len(listing))
    return head + listing + struct.pack(f"<{len(lengths)}I", *lengths) + b"".join(payloads)


def transfer_of(files: dict[str, bytes]) -> bytes:
    """The transfer of a bundle of these files."""
    return carrying(listed(files), [payload(content) for content in files.values()])

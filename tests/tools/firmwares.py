"""Combined firmware files as MicroPython's build joins them, by esptool's `merge-bin`."""

import functools
import hashlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from twinslot_sim import image, partitions
from twinslot_sim.partitions import MICROPYTHON_4MIB_OTA, Partition


@functools.cache
def micropython(chip: int = 0, size_bytes: int = 0) -> bytes:
    """An app image that is MicroPython alone."""
    return image.build("micropython", "v1.25.0", {}, chip=chip, size_bytes=size_bytes)


@functools.cache
def bootloader(chip: int = 0) -> bytes:
    """An image that does not describe itself as an app: the magic number is turned round, which keeps the checksum."""
    data = bytearray(image.build("bootloader", "1", {}, chip=chip)[:-32])
    data[32:36] = data[35:31:-1]
    return bytes(data) + hashlib.sha256(data).digest()


def combined(
    path: Path,
    *,
    chip: str = "esp32",
    id: int = 0,
    offset: int = 0x1000,
    table: Sequence[Partition] = MICROPYTHON_4MIB_OTA,
    app: bytes | None = None,
) -> Path:
    """`path` is the combined `.bin` for that chip, whose bootloader begins at `offset` in flash."""
    parts = {
        offset: bootloader(id),
        partitions.TABLE_OFFSET: partitions.build(table),
        0x10000: micropython(id) if app is None else app,
    }
    words = []
    for at, content in parts.items():
        part = path.with_suffix(f".{at:#x}")
        part.write_bytes(content)
        words += [hex(at), str(part)]
    merge = ["--chip", chip, "merge-bin", "--output", str(path), "--target-offset", hex(offset), *words]
    subprocess.run([sys.executable, "-m", "esptool", *merge], check=True, capture_output=True)
    return path

"""How transfers are made: one without a base, or of a bundle, in little time, a delta in a process of its own."""

import asyncio
import sys
from pathlib import Path

from twinslot_host.artifacts import Incoming, written
from twinslot_host.config import DELTA_NICENESS, DELTA_S
from twinslot_host.domain import bundle_archive, bundle_transfer, transfer
from twinslot_host.errors import TwinslotError

_WORKER = "twinslot_host.delta_worker"


class DeltaFailed(TwinslotError):
    """The process ended without a transfer; what it said is in the log."""


def whole(file: Path, path: Path) -> Incoming:
    """The transfer of a good image without a base, or of a good bundle, lies at `path`, synced. Raises StorageFull, or
    OSError for the file."""
    content = file.read_bytes()
    if not bundle_archive.is_gzip(content):
        return written(path, transfer.build(content))
    made = bundle_archive.parse(content)
    return written(path, bundle_transfer.build(made.listing, made.contents))


async def delta(image: Path, base: Path) -> bytes:
    """The transfer of that file to devices that run the other, made in a process of its own. Raises DeltaFailed, or
    OSError when there can be no process.

    Cancelled, it has ended the process.
    """
    what = (str(DELTA_NICENESS), str(image), str(base))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-P", "-m", _WORKER, *what, stdin=pipe, stdout=pipe)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(DELTA_S):
            content = await process.stdout.read()
            code = await process.wait()
    except TimeoutError:
        raise DeltaFailed(f"it took more than {DELTA_S:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if code != 0:
        raise DeltaFailed(f"its process ended with {code}")
    return content

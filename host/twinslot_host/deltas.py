"""Which transfers against a running image are still to be made, and the process that makes one."""

import asyncio
import sys
from pathlib import Path

from twinslot_host.config import DELTA_AGAIN_S, DELTA_NICENESS, DELTA_S, DELTAS_WAITING
from twinslot_host.errors import TwinslotError
from twinslot_host.store.transfers import Pair

_WORKER = "twinslot_host.delta_worker"


class DeltaFailed(TwinslotError):
    """The process ended without a transfer; what it said is in the log."""


class Deltas:
    """The pairs of which a check-in would have used a delta; what is lost with the server is asked for again."""

    def __init__(self) -> None:
        self._wanted: dict[Pair, None] = {}  # in the order in which they were asked for; the first may be in work
        self._resting_s: dict[Pair, float] = {}  # pairs that failed, until when
        self._any = asyncio.Event()

    def want(self, pair: Pair) -> None:
        """The pair is made some time, unless it has just failed or too many are waiting."""
        if len(self._wanted) < DELTAS_WAITING and self._resting_s.get(pair, 0) <= _now_s():
            self._wanted[pair] = None
            self._any.set()

    async def next(self) -> Pair:
        """The pair that was asked for first, as soon as there is one; `done` has to follow."""
        await self._any.wait()
        return next(iter(self._wanted))

    def done(self, pair: Pair, *, failed: bool) -> None:
        """The pair is known to the store, or has failed and is left alone for a while."""
        del self._wanted[pair]
        self._resting_s = {each: until_s for each, until_s in self._resting_s.items() if until_s > _now_s()}
        if failed:
            self._resting_s[pair] = _now_s() + DELTA_AGAIN_S
        if not self._wanted:
            self._any.clear()


async def made(image: Path, base: Path) -> bytes:
    """The transfer of that file to devices that run the other, made in a process of its own. Raises DeltaFailed.

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


def _now_s() -> float:
    return asyncio.get_running_loop().time()

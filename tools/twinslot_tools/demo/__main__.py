"""Runs the demonstration; exits 0 only when every promise that it shows was kept."""

import asyncio
import signal
import sys
import tempfile
from pathlib import Path

from twinslot_tools.demo.story import Broken, tell
from twinslot_tools.errors import TwinslotError


async def _until_told_to_stop(folder: Path) -> None:
    """The story was told; SIGTERM and Ctrl-C end it early, with everything put away."""
    task = asyncio.current_task()
    assert task is not None, "this runs in a task"
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    await tell(folder)


def main() -> int:
    """The exit code: 0 when all promises were kept, 1 with an explanation when not."""
    with tempfile.TemporaryDirectory(prefix="twinslot-demo-") as folder:
        try:
            asyncio.run(_until_told_to_stop(Path(folder)))
        except (Broken, TwinslotError) as error:
            print(f"demo: {error}", file=sys.stderr)
            return 1
        except asyncio.CancelledError:
            print("demo: stopped", file=sys.stderr)
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())

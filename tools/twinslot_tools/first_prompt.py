"""A board that was just written, until its MicroPython answers."""

import asyncio
import time
from typing import Any

from twinslot_tools.board_port import BoardPort
from twinslot_tools.errors import BoardFailed, NoDevice

PATIENCE_S = 30.0
PAUSE_S = 0.5


async def wait(board: BoardPort, patience_s: float = PATIENCE_S, silence_s: float = PATIENCE_S) -> dict[str, Any]:
    """What the board tells of itself (`on_board/chip.py`), once it answers: a port of the chip's own goes away while
    that starts.

    Raises `NoDevice` when nothing has answered in time; `silence_s` is how long it may say nothing.
    """
    limit = time.monotonic() + patience_s
    while True:
        try:
            _, facts = await board.ask("chip", silence_s=silence_s)
            return facts
        except (NoDevice, BoardFailed) as error:
            if time.monotonic() > limit:
                raise NoDevice(
                    f"the board was written, but its MicroPython does not answer: {error}. Press its reset button; is "
                    "the firmware the one for this board?"
                ) from error
        await asyncio.sleep(PAUSE_S)

"""`twinslot monitor`."""

import asyncio
import json as json_format
import sys

from twinslot_tools.board_port import BoardPort
from twinslot_tools.commands.flash import Port
from twinslot_tools.console_view import Colours
from twinslot_tools.options import Json, run
from twinslot_tools.output import console, say, written
from twinslot_tools.stopping import on_signals


def monitor(port: Port, json: Json = False) -> None:
    """Show what a board prints, until Ctrl-C; tracebacks in colour.

    Whole lines are shown. The board is only listened to: its program runs on. When its port goes away, as at a reset of
    a chip with a USB port of its own, it is waited for. With --json, each line is a document of its own.
    """
    board_port = BoardPort(port)

    async def work() -> None:
        with on_signals(None) as stop:
            showing = asyncio.ensure_future(_show(board_port, as_json=json))
            stopped = asyncio.ensure_future(stop.wait())
            await asyncio.wait({showing, stopped}, return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            if showing.done():
                showing.result()
            showing.cancel()
            await asyncio.wait({showing})

    run(work())


async def _show(port: BoardPort, *, as_json: bool) -> None:
    colours, out = Colours(), console()

    def gone() -> None:
        say(f"twinslot: {port.path} went away; waiting until it is back", sys.stderr)

    async for line in port.lines(gone):
        if as_json:
            say(json_format.dumps({"line": line, "traceback": bool(colours.style(line))}, ensure_ascii=False))
        else:
            with written(sys.stdout):
                out.print(colours.shown(line), soft_wrap=True)

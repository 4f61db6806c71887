"""A board that was just provisioned, until the server has seen it; and why it was not, from what the board prints."""

import asyncio
import re
from collections import deque
from collections.abc import Sequence

from twinslot_tools import provision
from twinslot_tools.board_port import BoardPort
from twinslot_tools.device_auth import Session
from twinslot_tools.errors import BoardFailed, ServerRefused

PATIENCE_S = 90.0
"""Wi-Fi may take 20 s and a second attempt, and the application a while before it starts the agent."""
LOOK_EVERY_S = 1.0
_SHOWN = 12

_HINTS = (
    (r"provision the board", "Its configuration can't be used: run `twinslot provision` again"),
    (r"no Wi-Fi|Wi-Fi:", "It does not get into the Wi-Fi: are name and password right, and is it a 2.4 GHz network in "
     "reach? Give them again with --wifi"),
    (r"does not accept this board's key", "The server does not take its key: is the group's token still valid? "
     "`twinslot group tokens ID` lists them; run `twinslot provision` again with a valid one"),
    (r"(?i)cert|x509|-30336|-9984|ssl|tls", "It can't verify the server: is --ca the certificate, or its issuer's, of "
     "this server, does it name the host of --server, and is the board's clock right? `twinslot doctor` tells"),
    (r"twinslot: (connection|no answer|no whole answer|the server answered|what answered)", "It has a network, but "
     "does not reach the server. Is --server an address that the board's network leads to (never 127.0.0.1), does the "
     "server listen there (`twinslot serve --host 0.0.0.0`), and does a firewall let it through?"),
    (r"ImportError: no module named 'twinslot", "The device package is not whole: run `twinslot "
     "provision` again"),
    (r"Traceback", "A program on it fails before it reaches the server: see the error above, mend it, and reset the "
     "board"),
    (r"twinslot: slot", "Its agent runs, but was not heard of. Run `twinslot doctor`"),
)  # fmt: skip
_NOTHING = (
    "Its application does not start the agent, which prints a line that begins with `twinslot:`. Does it call "
    "`twinslot.Agent().run()` or `twinslot.update_now()`?"
)


def hint(lines: Sequence[str]) -> str:
    """What most likely keeps a board that printed this from its server, and what to do."""
    said = "\n".join(lines)
    return next((advice for pattern, advice in _HINTS if re.search(pattern, said)), _NOTHING)


async def seen(port: BoardPort, session: Session, before: str | None) -> str:
    """The version that the session's device runs, which the server has seen since `before`, its last date then.

    Raises BoardFailed when it has not within PATIENCE_S; the message ends with what the board printed and a hint.
    """
    heard: deque[str] = deque(maxlen=200)
    listening = asyncio.ensure_future(_listen(port, heard))
    refused = ""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                await asyncio.sleep(LOOK_EVERY_S)
                try:
                    group = await provision.group_of(session)
                except ServerRefused as error:  # it may be restarting
                    refused = str(error)
                    continue
                refused = ""
                if group.last_seen_at != before:
                    return group.version or "an unknown version"
                if listening.done():
                    listening.result()
    except TimeoutError:
        raise BoardFailed(_why(session.device, list(heard), refused)) from None
    finally:
        listening.cancel()
        await asyncio.wait({listening})


async def _listen(port: BoardPort, heard: deque[str]) -> None:
    async for line in port.lines():
        heard.append(line)


def _why(device: str, lines: list[str], refused: str) -> str:
    printed = "\n".join(f"  | {line}" for line in lines[-_SHOWN:]) or "  | (nothing)"
    advice = f"The server itself gave no answer: {refused}" if refused else hint(lines)
    return (
        f"{device} was provisioned, but the server has not seen it within {PATIENCE_S:.0f} s. Its console:\n"
        f"{printed}\n{advice}"
    )

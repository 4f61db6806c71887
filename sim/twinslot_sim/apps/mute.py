"""An application that runs, but never starts the agent: the server does not hear of it."""

import asyncio


async def _run():
    while True:
        await asyncio.sleep(1)


def main():
    asyncio.run(_run())

"""An application that works: it does something of its own while the agent keeps it up to date."""

import asyncio

import twinslot


async def _heat():
    while True:
        await asyncio.sleep(1)


async def _run():
    heating = asyncio.create_task(_heat())
    try:
        await twinslot.Agent().run()
    finally:
        heating.cancel()


def main():
    asyncio.run(_run())

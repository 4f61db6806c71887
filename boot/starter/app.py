# Your application: what this board is for, beside the agent that keeps it up to date.
import asyncio

import twinslot


async def work():
    while True:
        print("working")  # your own code goes here
        await asyncio.sleep(10)


async def run():
    await asyncio.gather(work(), twinslot.Agent().run())


def main():
    asyncio.run(run())

# A command of the application's own, for `twinslot job submit --device ID 'heat 80'`.
import asyncio

import twinslot

START, BOILING = 20, 100  # °C


async def heat(celsius):
    """What it prints is shown while it runs, and what it returns at the end; an exception fails the job."""
    wanted = int(celsius)
    if not START <= wanted <= BOILING:
        raise ValueError("heat takes {} to {} degrees".format(START, BOILING))
    for now in range(START, wanted, 20):
        print(now, "°C")
        await asyncio.sleep(0.2)  # the rest of the board goes on, and the job can be cancelled
    return "{} °C reached".format(wanted)


async def run():
    agent = twinslot.Agent()
    agent.verb("heat")(heat)
    await agent.run()


def main():
    asyncio.run(run())

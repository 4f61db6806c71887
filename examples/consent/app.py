# A kettle that takes updates at any time, but not while it boils.
import asyncio

import twinslot

BOIL_S = 4
PAUSE_S = 60


class Kettle:
    """Boils for a while every minute; your own machine goes here."""

    def __init__(self):
        self.is_boiling = False

    async def run(self):
        while True:
            self.is_boiling = True
            print("boils")
            await asyncio.sleep(BOIL_S)
            self.is_boiling = False
            print("has boiled")
            await asyncio.sleep(PAUSE_S)

    def consent(self, version):
        """Asked before a release is fetched, and at each check-in after a no."""
        return not self.is_boiling


async def run():
    kettle = Kettle()
    await asyncio.gather(kettle.run(), twinslot.Agent(consent=kettle.consent).run())


def main():
    asyncio.run(run())

# A sensor that is read every few seconds, beside the agent. A release is kept only if the sensor works under it.
import asyncio
import math
import time

import twinslot

PERIOD_S = 5
COLDEST, HOTTEST = -40, 85  # °C, what the sensor can tell at all


def read_celsius():
    return 20 + 5 * math.sin(time.time() / 60)  # your sensor's driver goes here


class Sensor:
    """Reads the temperature for ever; `celsius` is the last reading, None before the first."""

    def __init__(self):
        self.celsius = None

    async def run(self):
        while True:
            self.celsius = read_celsius()
            print("{:.1f} °C".format(self.celsius))
            await asyncio.sleep(PERIOD_S)

    def works(self):
        """Asked in the trial of a new release, again and again until it says yes or the time is up."""
        return self.celsius is not None and COLDEST < self.celsius < HOTTEST


async def run():
    sensor = Sensor()
    await asyncio.gather(sensor.run(), twinslot.Agent(self_test=sensor.works).run())


def main():
    asyncio.run(run())

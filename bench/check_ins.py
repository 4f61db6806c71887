"""How a fleet fares that checks in all at once, beside one durable commit for each device."""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from .devices import HERE, TWINSLOT, Device, Process, asked, running, session, twinslot


async def at_once(server: Process, devices: list[Device]) -> tuple[float, float]:
    """Seconds until each device had its 204, and ms of the server's processor time for each."""
    used_s, began = server.processor_s(), time.perf_counter()
    answers = await asyncio.gather(*(each.check_in(server.address) for each in devices))
    took_s = time.perf_counter() - began
    assert {status for status, _ in answers} == {204}
    return took_s, (server.processor_s() - used_s) * 1000 / len(devices)


async def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        with running(TWINSLOT, "serve", "--data", str(data), "--port", "0") as server:
            group = twinslot(server, data, "group", "create", "bench", "--app", "kettle")
            async with session() as http:
                devices = [Device(http, group, number) for number in range(count)]
                await asyncio.gather(*(each.tell_inventory(server.address) for each in devices))
                told = sum(each.sent_away for each in devices)
                took_s, each_ms = await at_once(server, devices)
                sent_away = sum(each.sent_away for each in devices) - told
        with running(sys.executable, str(HERE / "bound.py"), "commit", folder) as bound:
            async with session() as http:
                bound_s, bound_ms = await at_once(bound, [Device(http, group, number) for number in range(count)])
    print(f"{count} check-ins at once: {took_s:.1f} s, {sent_away} times sent away for a while, none lost")
    print(f"one commit each, and nothing else: {bound_s:.1f} s")
    print(f"processor time of one: {each_ms:.2f} ms (bound {bound_ms:.2f}), ratio {each_ms / bound_ms:.1f}")


asyncio.run(main(asked(__doc__ or "")))

"""What check-ins cost that are held open, and how soon a job reaches a device that has one."""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from .devices import HERE, TWINSLOT, Device, Process, asked, running, session, twinslot

WATCHED_S = 20
WAIT_S = 300


async def held(server: Process, devices: list[Device]) -> tuple[float, float, list[asyncio.Task[tuple[int, bytes]]]]:
    """KiB of RAM for each check-in, processor time in % while nothing happens, and the check-ins."""
    before = server.memory_bytes()
    tasks = []
    for device in devices:
        tasks.append(asyncio.ensure_future(device.check_in(server.address, WAIT_S)))
        await asyncio.sleep(0.02)  # slower than the server takes them, so that it sends none away
    await asyncio.sleep(5)
    used_s = server.processor_s()
    await asyncio.sleep(WATCHED_S)
    percent = (server.processor_s() - used_s) / WATCHED_S * 100
    assert not any(task.done() for task in tasks)
    assert not any(device.sent_away for device in devices)
    return (server.memory_bytes() - before) / 1024 / len(devices), percent, tasks


async def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder, running(sys.executable, str(HERE / "bound.py"), "held") as bound:
        data = Path(folder) / "data"
        with running(TWINSLOT, "serve", "--data", str(data), "--port", "0") as server:
            group = twinslot(server, data, "group", "create", "bench", "--app", "kettle")
            async with session() as http:
                devices = [Device(http, group, number) for number in range(count)]
                for each in devices:
                    await each.tell_inventory(server.address)
                memory, percent, tasks = await held(server, devices)
                began = time.perf_counter()
                twinslot(server, data, "job", "submit", "--device", devices[count // 2].id, "date")
                submitted = time.perf_counter()
                await tasks[count // 2]
                answered = time.perf_counter()
                for task in tasks:
                    task.cancel()
            async with session() as http:
                least, least_percent, tasks = await held(bound, [Device(http, group, n) for n in range(count)])
                for task in tasks:
                    task.cancel()
    print(f"{count} check-ins held open, each: {memory:.1f} KiB (bound {least:.1f}), ratio {memory / least:.2f}")
    print(f"processor time while nothing happens: {percent:.2f} % (bound {least_percent:.2f} %)")
    print(
        f"a job's command: {submitted - began:.2f} s; the device had the job {answered - began:.2f} s after its start"
    )


asyncio.run(main(asked(__doc__ or "")))

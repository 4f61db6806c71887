"""What native code would gain where a patch is applied: segments decoded with the addition as it is, in plain Python,
and with one in viper, on the simulated board's MicroPython."""

import random
import subprocess
import tempfile
from pathlib import Path

from tests.vectors.transfer_file import SEGMENT, deflated, patch
from twinslot_sim import micropython

ROOT = Path(__file__).resolve().parents[1]
CHANGED = (4096, 256, 16)  # one byte in so many


def main() -> None:
    base = random.Random(6).randbytes(SEGMENT)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "base").write_bytes(base)
        for every in CHANGED:
            changed = bytearray(base)
            for at in range(0, SEGMENT, every):
                changed[at] = changed[at] + 1 & 255
            (Path(folder) / str(every)).write_bytes(deflated(patch(base, bytes(changed))))
        script = Path(__file__).with_name("adding_on_board.py")
        command = [*micropython.find(), "-X", "heapsize=400k", str(script), str(ROOT / "firmware"), folder]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    print("64 KiB with one byte changed in … | ms | with viper | ratio")
    for line in done.stdout.splitlines():
        every, took_us, native_us = [int(word) for word in line.split()]
        print(f"{every:33,} | {took_us / 1000:.1f} | {native_us / 1000:10.1f} | {native_us / took_us:5.2f}")


main()

"""A network that breaks at any byte of a transfer costs another request, and nothing else."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import random
import struct
from pathlib import Path

from twinslot_sim import image, micropython

from .conftest import Site
from .fault_proxy import FaultProxy

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware"
PROOF = Path(__file__).resolve().parents[1] / "firmware" / "prove_drops.py"
RAW_BYTES = 230_000
TEXT_BYTES = 33_000


def payloads(transfer: bytes) -> list[tuple[int, int]]:
    """(bytes, kind) of each segment's, by the index."""
    return [struct.unpack_from("<II", transfer, 48 + 16 * n) for n in range(transfer[6])]


async def test_drop_at_any_byte_costs_no_more_than_another_request(site: Site, tmp_path: Path) -> None:
    seed = int(os.environ.get("TWINSLOT_SEED") or random.randrange(1 << 32))
    print(f"TWINSLOT_SEED={seed}")
    chance = random.Random(seed)
    noise = chance.randbytes(RAW_BYTES) + base64.b64encode(chance.randbytes(TEXT_BYTES))
    built = image.build("kettle", "1.1.0", {"app.py": b"def main(): pass\n", "noise.bin": noise})
    site.publish(built, "1.1.0")
    offer = site.server.board(site.group).offer()
    assert offer
    transfer = site.server.request("GET", offer["transfer"]).body
    assert {kind for _, kind in payloads(transfer)} == {2, 3}
    assert len(transfer) > 256 * 1024
    (tmp_path / "image").write_bytes(built)
    async with FaultProxy(site.server.port) as network:
        task = {
            "port": network.port,
            "paths": [offer["transfer"], offer["image"]],
            "image": str(tmp_path / "image"),
            "payloads": [length for length, _ in payloads(transfer)],
            "drops": [[chance.randrange(1, len(transfer)) for _ in range(3)] for _ in range(10)],
        }
        (tmp_path / "task").write_text(json.dumps(task))
        command = [*micropython.find(), "-X", "heapsize=2m", str(PROOF), str(FIRMWARE), str(tmp_path / "task")]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        said, _ = await process.communicate()
    assert process.returncode == 0, said
    result = json.loads(said)
    assert (result["wrong"], result["right"]) == ([], True)
    assert result["downloads"] > 256 * 1024 // 256

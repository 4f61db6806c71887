"""How images get into a slot: the wire examples on both interpreters, and difficult networks on MicroPython."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

from twinslot_sim import micropython

ROOT = Path(__file__).resolve().parents[2]
CHECKS = 176
MUTATIONS = "600"
SEED = os.environ.get("TWINSLOT_SEED") or str(random.randrange(1 << 30))


def prove(name: str, interpreter: list[str], *extra: str) -> dict[str, Any]:
    script = Path(__file__).with_name(f"prove_{name}.py")
    print("TWINSLOT_SEED =", SEED)
    command = [*interpreter, str(script), str(ROOT / "firmware"), str(ROOT / "tests" / "vectors"), *extra]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])  # before it comes what the device would log
    return result


def test_on_cpython_every_transfer_of_the_wire_examples_comes_out_as_it_should() -> None:
    assert prove("transfer_vectors", [sys.executable]) == {"proven": CHECKS, "wrong": []}


def test_on_micropython_every_transfer_of_the_wire_examples_comes_out_as_it_should() -> None:
    assert prove("transfer_vectors", [*micropython.find(), "-X", "heapsize=8m"]) == {"proven": CHECKS, "wrong": []}


def test_difficult_networks_end_with_the_image_in_the_slot_or_a_reason_and_cost_no_more_than_they_must() -> None:
    proven = prove("transfer", [*micropython.find(), "-X", "heapsize=16m"], SEED)
    print(proven["results"])
    assert proven["wrong"] == []
    assert proven["results"]["resume"] > 60
    assert proven["results"]["ticks"]["ticks"] > 40


def test_on_micropython_transfers_changed_at_random_end_with_the_image_or_a_transfer_error() -> None:
    proven = prove("mutations", [*micropython.find(), "-X", "heapsize=4m"], SEED, MUTATIONS)
    print(proven["ends"])
    assert proven["wrong"] == []
    assert sum(proven["ends"].values()) == int(MUTATIONS)

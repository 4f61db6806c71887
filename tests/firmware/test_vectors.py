"""The device package against the wire examples and against Wycheproof, on both interpreters."""

import json
import subprocess
import sys
from pathlib import Path

from twinslot_sim import micropython

ROOT = Path(__file__).resolve().parents[2]
WYCHEPROOF = ROOT / "tests" / "vectors" / "wycheproof" / "rsa_signature_3072_sha256_test.json"
OWN_CHECKS = 262
WYCHEPROOF_CHECKS = 259  # one of them is "acceptable" to a lax verifier, and refused here


def _prove(interpreter: list[str], *extra: str) -> dict[str, object]:
    script = Path(__file__).with_name("prove_vectors.py")
    command = [*interpreter, str(script), str(ROOT / "firmware"), str(ROOT / "tests" / "vectors"), *extra]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, object] = json.loads(done.stdout)
    return result


def test_on_cpython_every_wire_example_is_agreed_with() -> None:
    assert _prove([sys.executable]) == {"proven": OWN_CHECKS, "wrong": []}


def test_on_micropython_every_wire_example_is_agreed_with() -> None:
    assert _prove([*micropython.find(), "-X", "heapsize=1m"]) == {"proven": OWN_CHECKS, "wrong": []}


def test_on_micropython_every_wycheproof_signature_is_agreed_with() -> None:
    result = _prove([*micropython.find(), "-X", "heapsize=4m"], str(WYCHEPROOF))
    assert result == {"proven": OWN_CHECKS + WYCHEPROOF_CHECKS, "wrong": []}

"""Every single bit of a manifest, with a specification and keys in it, and of its signature counts, on MicroPython."""

import base64
import json
import subprocess
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from twinslot_sim import micropython

HERE = Path(__file__).parent
VECTORS = HERE.parent / "vectors"


def test_manifest_or_signature_with_any_one_bit_changed_is_refused(tmp_path: Path) -> None:
    vectors = {name: json.loads((VECTORS / f"{name}.json").read_text()) for name in ("manifest", "signature")}
    offers = json.loads((VECTORS / "specification.json").read_text())["offers"]
    key = serialization.load_pem_private_key(vectors["signature"]["private_key"].encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    manifest = next(bytes.fromhex(each["bytes"]) for each in vectors["manifest"]["with_keys"] if each["fields"]["kind"])
    case = {
        "manifest": manifest,
        "signature": key.sign(manifest, padding.PKCS1v15(), hashes.SHA256()),
        "modulus": base64.b64decode(vectors["signature"]["modulus"]),
        "specification": base64.b64decode(offers[0]["offer"]["specification"]),
    }
    (tmp_path / "case.json").write_text(json.dumps({name: data.hex() for name, data in case.items()}))
    command = [*micropython.find(), HERE / "prove_flips.py", HERE.parents[1] / "firmware", tmp_path / "case.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout) == {"refused": 8 * (len(manifest) + 384), "taken": []}

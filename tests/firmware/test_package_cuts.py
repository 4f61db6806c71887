"""Power that fails at each flash operation of what the installer does: a package is the old one or the new one."""

import json
import os
import subprocess
from pathlib import Path

from twinslot_sim import micropython

ROOT = Path(__file__).resolve().parents[2]
CUTS = "all" if os.environ.get("TWINSLOT_EVERY_CUT") else "one"
KEEP_BYTES = ["0", "1", "4", "31", "33", "64", "100", "2048"]
STEPS = {
    "install the first",
    "install another",
    "upgrade",
    "reinstall",
    "reinstall again",
    "uninstall",
    "download",
    "download another",
    "install what was downloaded",
    "forget what was downloaded",
}


def test_cut_anywhere_leaves_the_old_package_or_the_new_and_the_next_operation_leaves_nothing_behind() -> None:
    script = Path(__file__).with_name("prove_package_cuts.py")
    command = [*micropython.find(), "-X", "heapsize=4m", str(script), str(ROOT / "firmware"), CUTS, *KEEP_BYTES]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert result["wrong"] == []
    assert set(result["cuts"]) == STEPS
    assert all(cuts > 10 for cuts in result["cuts"].values()), result["cuts"]

"""A shell beside a server, for the pages of `docs/` that are made of commands; and no test is timed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """That of a shell beside a server which has just made its data directory, ./data; nobody is logged in."""
    serve = [sys.executable, "-m", "twinslot_tools", "serve", "--data", str(tmp_path / "data"), "--port", "0"]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told, _, address = process.stdout.readline().strip().rpartition(" ")
        assert told == "listening on"
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        plain = {name: value for name, value in os.environ.items() if not name.startswith("TWINSLOT_")}
        yield {**plain, "PATH": path, "TWINSLOT_SERVER": address, "XDG_CONFIG_HOME": str(tmp_path / "config")}
        process.terminate()

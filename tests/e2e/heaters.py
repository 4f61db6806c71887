"""A package in two files, an application that shows which version of it there is, and a board that has both."""

from __future__ import annotations

import json
from pathlib import Path

from .conftest import Site
from .lab import own_image

APP = """
import asyncio, twinslot
agent = twinslot.Agent()
try:
    import heater
    print("heater", heater.one, heater.two)
except ImportError:
    print("no heater")
def main():
    asyncio.run(agent.run())
"""


def files(version: str) -> dict[str, bytes]:
    """A package that shows when its parts are not of one version."""
    two = f"two = {version!r}\n".encode() + b"# " + b"x" * 5000 + b"\n"
    return {"heater/__init__.py": f"one = {version!r}\nfrom .two import two\n".encode(), "heater/two.py": two}


def flash_of(site: Site, version: str | None = None) -> Path:
    """A fresh board with the application, and with that version of the package."""
    lying: dict[str, bytes] = {}
    if version is not None:
        index = {"heater": {"version": version, "folder": f"heater/{version}", "modules": ["heater"]}}
        lying = {f"/packages/heater/{version}/{path}": content for path, content in files(version).items()}
        lying["/packages/index.json"] = json.dumps(index).encode()
    return site.flash(start=own_image("1.0.0", APP), files=lying, wait_s=60)

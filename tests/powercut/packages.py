"""Boards in the middle of what their server has ordered: a package is installed, replaced or removed."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from .flash import Look
from .runs import Scenario
from .stage import Stage
from .watch import Rule

ROOT = "/packages/"
INDEX = ROOT + "index.json"

Files = dict[str, bytes]
Packages = dict[str, tuple[str, Files]]
"""Version and files of each package, by name."""

LID: Packages = {"lid": ("3.1", {"lid.py": b"closed = True\n"})}
OLD: Packages = {"heater": ("1.0", {"heater/__init__.py": b"watts = 1000\n", "heater/coil.py": b"#" * 700})}
NEW: Packages = {"heater": ("2.0", {"heater/__init__.py": b"watts = 2000\n", "heater/coil.py": b"=" * 600})}
OTHER: Packages = {"heater": ("2.0", {"heater/__init__.py": b"watts = 1500\n", "coil.py": b"-" * 500})}
KEPT = "operation"


async def install(stage: Stage) -> Scenario:
    """A package comes onto a board without any; from the second slot onto one with another package."""
    before = LID if stage.variant.slot else {}
    return await _ordered(stage, _installation(stage), before, {**before, **NEW})


async def replace(stage: Stage) -> Scenario:
    """A package comes in a newer version; from the second slot in the same one with other files, whose hashes nobody
    tells, so that a second attempt fetches them once more."""
    old = {**LID, **(OTHER if stage.variant.slot else OLD)}
    return await _ordered(stage, _installation(stage), old, {**old, **NEW})


async def remove(stage: Stage) -> Scenario:
    """The only package is removed; from the second slot one of two."""
    after = LID if stage.variant.slot else {}
    return await _ordered(stage, _removal(), {**after, **OLD}, after)


async def _ordered(stage: Stage, order: dict[str, Any], before: Packages, after: Packages) -> Scenario:
    """The board has the packages `before`, and the server wants it to have those `after`."""
    start = await stage.board(files={**_lying(before), **(_remains(before) if stage.variant.dirty else {})})
    wanted = _digest(after)

    def next_order(check: dict[str, Any]) -> dict[str, Any] | None:
        """What a device is sent: the order, and once more to one that has done it and has not told so. That one is at
        its end, and off, as soon as it has."""
        told = check.get("inventory")
        return told and {**order, "attempt": 2 if told == wanted else 1}

    stage.server.order = next_order
    own = {path: data for path, data in (Look(start).files or {}).items() if not path.startswith(ROOT)}

    def ended(look: Look) -> bool:
        files = look.files
        return files is not None and _installed(files) == after and not look.blob(KEPT) and not _unnamed(files)

    return Scenario(start, ended, _rule({**own, ROOT: b""}, before, after))


def _installation(stage: Stage) -> dict[str, Any]:
    """The order to install the new package, which the server has."""
    ((name, (version, files)),) = NEW.items()
    document: dict[str, Any] = {"urls": [[path, f"/files/{path}"] for path in files], "version": version}
    if not stage.variant.slot:
        document["sha256"] = {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}
    stage.server.files = {**files, "package.json": json.dumps(document).encode()}
    uri = {"uri": "/files/package.json", "install": True, "reboot": False, "reboot_delay": 0}
    return {"id": "its-id", "kind": "install", "timeout": 600, "name": name, "version": version, **uri}


def _removal() -> dict[str, Any]:
    ((name, (version, _)),) = OLD.items()
    return {"id": "its-id", "kind": "uninstall", "timeout": 600, "name": name, "version": version}


def _rule(own: Files, before: Packages, after: Packages) -> Rule:
    """The rule that the index names the packages of before or after, and they lie whole; that the board's `own` files
    are as they were; and that the operation never fails."""

    def rule(look: Look) -> str:
        files = look.files
        if files is None:
            return "the file system does not mount"
        now = {path: data for path, data in files.items() if not path.startswith(ROOT)}
        for path in {*now, *own} - {ROOT}:
            if now.get(path) != own.get(path):
                return f"{path} has changed"
        installed = _installed(files)
        if installed not in (before, after):
            heads = {name: {path: data[:16] for path, data in lying.items()} for name, (_, lying) in installed.items()}
            return f"installed are files that begin so: {heads}"
        kept = json.loads(look.blob(KEPT) or '{"state": "succeeded"}')
        return "" if kept["state"] in ("begun", "succeeded") else f"the operation has {kept['state']}: {kept['reason']}"

    return rule


def _lying(packages: Packages) -> Files:
    """A board's files that are the packages and their index."""
    index = {
        name: {"version": version, "folder": f"{name}/{version}", "modules": _modules(files), "files": ""}
        for name, (version, files) in packages.items()
    }
    lying = {
        f"{ROOT}{name}/{version}/{path}": data
        for name, (version, files) in packages.items()
        for path, data in files.items()
    }
    return {**lying, INDEX: json.dumps(index).encode()} if packages else {}


def _remains(packages: Packages) -> Files:
    """What earlier attempts have left beside the packages: another version, and half of the one that comes next, where
    that would go."""
    version, _ = packages.get("heater", ("", {}))
    free = "heater/2.0~" if version == "2.0" else "heater/2.0"
    return {f"{ROOT}heater/1.5/heater/__init__.py": b"watts = 1700\n", f"{ROOT}{free}/heater/coil.py": b"=" * 300}


def _installed(files: Files) -> Packages:
    """The packages that the index of these files names, with what lies in their folders."""
    return {name: (entry["version"], _below(files, entry["folder"])) for name, entry in _index(files).items()}


def _unnamed(files: Files) -> set[str]:
    """What lies beside the index, and belongs to no package that it names."""
    folders = [f"{ROOT}{entry['folder']}/" for entry in _index(files).values()]
    return {
        path
        for path in files
        if path.startswith(ROOT)
        and path not in (ROOT, INDEX)
        and not any(path.startswith(folder) or (path.endswith("/") and folder.startswith(path)) for folder in folders)
    }


def _index(files: Files) -> dict[str, Any]:
    index: dict[str, Any] = json.loads(files.get(INDEX, b"{}"))
    return index


def _below(files: Files, folder: str) -> Files:
    """The files in that package's folder, by their path there."""
    start = f"{ROOT}{folder}/"
    return {path[len(start) :]: data for path, data in files.items() if path.startswith(start) and path[-1] != "/"}


def _modules(files: Files) -> list[str]:
    return sorted({path.split("/")[0].removesuffix(".py") for path in files})


def _digest(packages: Packages) -> str:
    """What a device with these packages tells as its inventory's (firmware/twinslot/packages.py)."""
    known = [[name, version, _modules(files)] for name, (version, files) in sorted(packages.items())]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:16]

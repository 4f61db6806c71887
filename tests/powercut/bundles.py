"""Boards in the middle of an update of their files: a bundle is fetched, tried, kept, undone, or has no room."""

from __future__ import annotations

import re

from littlefs import LittleFS, UserContext

from twinslot_sim.factory import geometry
from twinslot_sim.nor import SECTOR_SIZE

from .flash import Look
from .runs import Scenario
from .stage import HEALTHY, NEW, Stage, confirmed, is_idle, keeps, sequence, with_image
from .trees import LIST, ROOTS, Files, below
from .watch import Rule

OWN = "/data/own.txt"
SAID = "/data/said.txt"

TABLE = bytes(range(256)) * 19  # two blocks
TOOL = b"# as in the bundle before\n" * 30
CRASHES = b"def main():\n    raise ValueError('a fault')\n"
OF_THE_IMAGE = b"""
import app_version
if app_version.VERSION == '1.1.0':
    raise ValueError('a fault of this image with these files')
"""
NOTES = f"""
tell = liaison.Liaison.tell
async def tell_and_note(self, event, about, reason=""):
    await tell(self, event, about, reason)
    if event == "failed":
        with open("{SAID}", "w") as file:
            file.write(reason)
liaison.Liaison.tell = tell_and_note
""".encode()
FREE_BLOCKS = 8


def _files(more: bytes = b"", table: bytes = TABLE) -> Files:
    """A bundle of two folders; one file is empty, one short enough to lie in its folder, one fills two blocks."""
    return {
        "app.py": HEALTHY.encode() + more + b"#" * 400,
        "data/table.bin": table,
        "lib/empty.py": b"",
        "lib/heat/coil.py": b"ohm = 40\n",
        "lib/tool.py": TOOL,
    }


BEFORE = _files(b"print('the old files')\n")
AFTER = _files(b"print('the new files')\n")
NEXT = dict(sorted({**AFTER, "data/limits.txt": b"80\n" * 250}.items()))
REMAINS: Files = {
    "app.py/old.py": b"# a folder, where the bundle has a file\n",
    "data": b"a file, where the bundle has a folder",
    "lib/heat/": b"",
    "lib/tool.py": TOOL[:-1],
    "lib/valve.py": b"# of another bundle\n" * 9,
    "void/": b"",
}


async def bundle(stage: Stage) -> Scenario:
    """The first bundle of a board; from the second slot the next one, some of whose files the one before has too."""
    start, before = await _board(stage, BEFORE if stage.variant.slot else {})
    files = NEXT if stage.variant.slot else AFTER
    stage.propose_bundle(files, NEW)
    return _confirmed(start, before, files)


async def kept(stage: Stage) -> Scenario:
    """A bundle from where it is downloaded on: the switch, the trial, the confirmation, the end of the one before. From
    the first slot it is a board's second bundle, from the second one its third."""
    start, before = await _board(stage, *[BEFORE, AFTER][: 1 + stage.variant.slot])
    stage.propose_bundle(NEXT, NEW)
    return _confirmed(await _downloaded(stage, start), before, NEXT)


async def unbundled(stage: Stage) -> Scenario:
    """A bundle whose trial ends in an exception; it is read back and in the record already. From the second slot there
    was another one before."""
    old = BEFORE if stage.variant.slot else {}
    start, before = await _board(stage, old)
    stage.propose_bundle({**AFTER, "app.py": CRASHES}, NEW)
    return _given_up(await _downloaded(stage, start), before, old)


async def no_room(stage: Stage) -> Scenario:
    """A bundle for which the file system has no room, since the application has filled it. What little that writes
    itself, a note of why the download failed, it still can."""
    old = _files(NOTES)
    start, before = await _board(stage, old, filled=True)
    stage.propose_bundle(_files(table=bytes(SECTOR_SIZE * 3 * FREE_BLOCKS)), NEW)
    remains, kept_rule = _lying(Look(start), 2), _rule(start, before)

    def rule(look: Look) -> str:
        new = _lying(look, 2).keys() - remains.keys()
        return f"{min(new)} is new, where there is no room" if new else kept_rule(look)

    def ended(look: Look) -> bool:
        said = re.fullmatch(rb"needs (\d+) bytes, (\d+) are free", (look.files or {}).get(SAID, b""))
        return said is not None and int(said[1]) > int(said[2]) and _runs_alone(look, old)

    return Scenario(start, ended, rule)


async def beside(stage: Stage) -> Scenario:
    """An image, which lies in its slot already, whose trial ends in an exception: the bundle stays."""
    old = _files(OF_THE_IMAGE)
    start, before = await _board(stage, old, remains={})
    image = stage.image(NEW)
    stage.propose(image, NEW)
    return _given_up(with_image(stage, start, image), before, old)


async def _board(stage: Stage, *bundles: Files, remains: Files = REMAINS, filled: bool = False) -> tuple[bytes, str]:
    """The flash of a board that has confirmed these bundles, one after the other, and its version. Where the variant is
    dirty, the tree beside the one that is kept holds the remains; the application has a file of its own, and may have
    filled up the file system."""
    start, version, free = await stage.board(files={OWN: b"of the application's own\n"}), "1.0.0", 1
    for number, files in enumerate(filter(None, bundles), 1):
        version, free = f"1.0.{number}", 1 + number % 2
        stage.propose_bundle(files, version)
        start = await stage.after(start, confirmed(version))
    lying = {ROOTS[free] + path: data for path, data in remains.items()} if stage.variant.dirty else {}
    return _with_files(start, lying, filled), version


async def _downloaded(stage: Stage, start: bytes) -> bytes:
    """The flash, and the bundle that was proposed is on its way, and was not switched to."""
    return await stage.after(start, lambda look: bool(look.record["trial"]))


def _rule(start: bytes, *versions: str) -> Rule:
    """The rule that only these versions are ever confirmed, and nothing but trees is written."""
    own = _apart(Look(start).files)

    def rule(look: Look) -> str:
        if what := keeps(*versions)(look):
            return what
        now = _apart(look.files)
        changed = sorted(path for path, _ in now.items() ^ own.items())
        return f"{changed[0]} has changed" if changed else ""

    return rule


def _confirmed(start: bytes, before: str, files: Files) -> Scenario:
    """The bundle of these files takes the place of what there was."""

    def ended(look: Look) -> bool:
        return confirmed(NEW)(look) and _runs_alone(look, files)

    return Scenario(start, ended, _rule(start, before, NEW))


def _given_up(start: bytes, before: str, files: Files) -> Scenario:
    """A release that ends in an exception is given up; the board keeps its version, and the bundle of these files."""

    def ended(look: Look) -> bool:
        return is_idle(look) and look.record["failed"] == sequence(NEW) and _runs_alone(look, files)

    return Scenario(start, ended, _rule(start, before), frozenset({"crash"}))


def _apart(files: Files | None) -> Files:
    """What lies apart from the trees, and is not the note of the application's."""
    roots = tuple(ROOTS.values())
    return {path: data for path, data in (files or {}).items() if not path.startswith(roots) and path != SAID}


def _runs_alone(look: Look, files: Files) -> bool:
    """Whether the tree that is kept holds the bundle of these files, and the other one nothing; without files, no tree
    is kept."""
    kept, lying = look.number("tree") or 0, {tree: _lying(look, tree) for tree in ROOTS}
    there = {path: data for path, data in lying.pop(kept, {}).items() if path[-1] != "/" and path != LIST}
    return there == files and bool(kept) == bool(files) and not any(lying.values())


def _lying(look: Look, tree: int) -> Files:
    """What lies in the tree."""
    return below(look.files or {}, ROOTS[tree])


def _with_files(start: bytes, files: Files, filled: bool) -> bytes:
    """The flash, and these files and folders lie in its file system, which is filled up if that is wanted."""
    vfs = Look(start).table["vfs"]
    context = UserContext(buffer=bytearray(start[vfs.offset : vfs.offset + vfs.size]))
    fs = LittleFS(context=context, **geometry(vfs))
    for path, data in files.items():
        fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        if path[-1] != "/":
            with fs.open(path, "wb") as file:
                file.write(data)
    if filled:
        free = vfs.size // SECTOR_SIZE - fs.used_block_count
        with fs.open("/data/log.bin", "wb") as file:
            file.write(bytes((free - FREE_BLOCKS) * (SECTOR_SIZE - 8)))
    fs.unmount()
    return start[: vfs.offset] + bytes(context.buffer) + start[vfs.offset + vfs.size :]

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
REGRETS = b"""
from twinslot import hw
def main():  # works in its trial, and says so no more once it is kept
    asyncio.run(twinslot.Agent(self_test=lambda: hw.running_tree != hw.kept_tree()).run())
"""
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
NEXT = dict(sorted({**AFTER, "app.py": AFTER["app.py"] + REGRETS, "data/limits.txt": b"80\n" * 250}.items()))
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
    old = BEFORE if stage.variant.slot else {}
    start, before = await _board(stage, old)
    files = NEXT if stage.variant.slot else AFTER
    stage.propose_bundle(files, NEW)
    return _confirmed(start, before, old, files)


async def kept(stage: Stage) -> Scenario:
    """A bundle from where it is downloaded on: the switch, the trial, the confirmation, the end of the one before. From
    the first slot it is a board's second bundle, from the second one its third."""
    return await _kept(stage)


async def filled(stage: Stage) -> Scenario:
    """As `kept`; but since it was downloaded, the application has filled the file system to its last block."""
    return await _kept(stage, free_blocks=0)


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
    start, before = await _board(stage, old, free_blocks=FREE_BLOCKS)
    stage.propose_bundle(_files(table=bytes(SECTOR_SIZE * 3 * FREE_BLOCKS)), NEW)
    remains, kept_rule = _lying(Look(start), 2), _rule(start, before)

    def rule(look: Look) -> str:
        new = _lying(look, 2).keys() - remains.keys()
        return f"{min(new)} is new, where there is no room" if new else kept_rule(look)

    def ended(look: Look) -> bool:
        said = re.fullmatch(rb"needs (\d+) bytes, (\d+) are free", (look.files or {}).get(SAID, b""))
        return said is not None and int(said[1]) > int(said[2]) and _runs(look, old)

    return Scenario(start, ended, rule, tidy=_is_alone)


async def beside(stage: Stage) -> Scenario:
    """An image, which lies in its slot already, whose trial ends in an exception: the bundle stays."""
    old = _files(OF_THE_IMAGE)
    start, before = await _board(stage, old, remains={})
    image = stage.image(NEW)
    stage.propose(image, NEW)
    return _given_up(with_image(stage, start, image), before, old)


async def _kept(stage: Stage, free_blocks: int | None = None) -> Scenario:
    olds = [BEFORE, AFTER][: 1 + stage.variant.slot]
    start, before = await _board(stage, *olds)
    stage.propose_bundle(NEXT, NEW)
    return _confirmed(_with_files(await _downloaded(stage, start), {}, free_blocks), before, olds[-1], NEXT)


async def _board(
    stage: Stage, *bundles: Files, remains: Files = REMAINS, free_blocks: int | None = None
) -> tuple[bytes, str]:
    """The flash of a board that has confirmed these bundles, one after the other, and its version. Where the variant is
    dirty, the tree beside the one that is kept holds the remains; the application has a file of its own, and may have
    filled up the file system to so many blocks."""
    start, version, free = await stage.board(files={OWN: b"of the application's own\n"}), "1.0.0", 1
    for number, files in enumerate(filter(None, bundles), 1):
        version, free = f"1.0.{number}", 1 + number % 2
        stage.propose_bundle(files, version)
        start = await stage.after(start, confirmed(version))
    lying = {ROOTS[free] + path: data for path, data in remains.items()} if stage.variant.dirty else {}
    return _with_files(start, lying, free_blocks), version


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


def _confirmed(start: bytes, before: str, old: Files, files: Files) -> Scenario:
    """The bundle of these files takes the place of the old ones; flash that fails may keep the board from that."""
    given_up = _given_up(start, before, old)

    def ended(look: Look) -> bool:
        return (confirmed(NEW)(look) and _runs(look, files)) or given_up.ended(look)

    return Scenario(start, ended, _rule(start, before, NEW), tidy=_is_alone)


def _given_up(start: bytes, before: str, files: Files) -> Scenario:
    """A release that ends in an exception is given up; the board keeps its version, and the bundle of these files."""

    def ended(look: Look) -> bool:
        return is_idle(look) and look.record["failed"] == sequence(NEW) and _runs(look, files)

    return Scenario(start, ended, _rule(start, before), frozenset({"crash"}), tidy=_is_alone)


def _apart(files: Files | None) -> Files:
    """What lies apart from the trees, and is not the note of the application's."""
    roots = tuple(ROOTS.values())
    return {path: data for path, data in (files or {}).items() if not path.startswith(roots) and path != SAID}


def _runs(look: Look, files: Files) -> bool:
    """Whether the tree that is kept holds the bundle of these files; without files, no tree is kept."""
    kept = look.number("tree") or 0
    there = {path: data for path, data in _lying(look, kept).items() if path[-1] != "/" and path != LIST}
    return there == files and bool(kept) == bool(files)


def _is_alone(look: Look) -> str:
    """In the tree that is not kept lies nothing."""
    remains = [ROOTS[tree] + path for tree in ROOTS if tree != look.number("tree") for path in _lying(look, tree)]
    return f"{min(remains)} lies there still" if remains else ""


def _lying(look: Look, tree: int) -> Files:
    """What lies in the tree; 0 is none."""
    return below(look.files or {}, ROOTS[tree]) if tree else {}


def _with_files(start: bytes, files: Files, free_blocks: int | None) -> bytes:
    """The flash, and these files and folders lie in its file system, which is filled up to so many blocks; None: not
    at all."""
    vfs = Look(start).table["vfs"]
    context = UserContext(buffer=bytearray(start[vfs.offset : vfs.offset + vfs.size]))
    fs = LittleFS(context=context, **geometry(vfs))
    for path, data in files.items():
        fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        if path[-1] != "/":
            with fs.open(path, "wb") as file:
                file.write(data)
    if free_blocks is not None:
        free = vfs.size // SECTOR_SIZE - fs.used_block_count
        with fs.open("/data/log.bin", "wb") as file:
            file.write(bytes((free - free_blocks) * (SECTOR_SIZE - 8)))
    fs.unmount()
    return start[: vfs.offset] + bytes(context.buffer) + start[vfs.offset + vfs.size :]

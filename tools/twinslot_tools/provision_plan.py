"""What provisioning changes on a board: decided from what is there and what should be, with nothing touched."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from twinslot_tools.board_facts import Board
from twinslot_tools.errors import BoardFailed

CONFIG = "/twinslot.json"
NEW_CONFIG = "/twinslot.new"
"""A configuration that is to take the old one's place with the old one's Wi-Fi (`on_board/keep_wifi.py`)."""
CA = "/twinslot-ca.pem"
MAIN = "/main.py"
PACKAGE = "/lib/twinslot"
STARTER = "/lib/app.py"
"""In /lib, where an `app` that a release brings goes before it; one in the root would go before the release's."""
_SPARE_BLOCKS = 8
"""For LittleFS's own use, and for the update record's companions."""


@dataclass(frozen=True)
class Plan:
    """`writes`: path → content, in this order, with what a power cut must not leave alone last; `keeps_main`: the
    board's main.py is its owner's; `ends_tree`: the bundle that runs is another application's, and runs no more."""

    writes: dict[str, bytes]
    folders: tuple[str, ...]
    removes: tuple[str, ...]
    keeps_main: bool
    ends_tree: bool

    @property
    def size_bytes(self) -> int:
        """How many bytes are copied."""
        return sum(map(len, self.writes.values()))


def plan_of(board: Board, files: Mapping[str, bytes], starter: bytes, *, stays: bool = True) -> Plan:
    """How the board comes to have `files`, of which the last is the configuration.

    Its own main.py stays; when it has neither that nor an application it gets `starter`. What else lies in the device
    package's folder goes: a file there could go before one of ours. So do its bundles, unless it `stays` in its group
    and with its application.
    """
    main = board.files.get(MAIN)
    keeps_main = main is not None and main["code"] and not main["ours"]
    wanted = {path: content for path, content in files.items() if path != MAIN or not keeps_main}
    if not keeps_main and board.app_file is None and "app" not in board.modules:
        wanted = {STARTER: starter, **wanted}
    writes = {path: content for path, content in wanted.items() if not _has(board.files.get(path), content)}
    folders = [] if "lib" in board.root else ["/lib"]
    if PACKAGE not in board.files and "twinslot" not in board.lib:
        folders.append(PACKAGE)
    strange = [path for path in board.files if path.startswith(PACKAGE + "/") and path not in files]
    if NEW_CONFIG[1:] in board.root:
        strange.append(NEW_CONFIG)
    trees = [] if stays else list(board.trees)
    removes = tuple(sorted([*strange, *trees], reverse=True))
    return Plan(writes, tuple(folders), removes, keeps_main, ends_tree=bool(trees))


def check_space(board: Board, plan: Plan) -> None:
    """The plan's files fit into the board's file system; raises BoardFailed, with the figures, when they don't.

    A file that is replaced takes room beside the old one until it is closed. Bundles that go do so before.
    """
    block = board.block_bytes
    sizes = [-(-len(content) // block) for content in plan.writes.values()]
    old = [-(-_size(board.files.get(path)) // block) for path in plan.writes]
    grows = sum(max(0, new - before) for new, before in zip(sizes, old, strict=True))
    needed_bytes = (grows + max(sizes, default=0) + 2 * len(plan.folders) + _SPARE_BLOCKS) * block
    gone = [there for path, there in board.trees.items() if there and path in plan.removes]
    free_bytes = board.free_bytes + sum(there["blocks"] for there in gone) * block
    if plan.writes and needed_bytes > free_bytes:
        raise BoardFailed(
            f"the board's file system has {free_bytes // 1024} KiB free, and what is to be written needs "
            f"{needed_bytes // 1024} KiB; nothing was written. Remove files of yours, as with `mpremote rm :FILE`"
        )


def _has(there: Mapping[str, Any] | None, content: bytes) -> bool:
    return there is not None and there["sha256"] == hashlib.sha256(content).hexdigest()


def _size(there: Mapping[str, Any] | None) -> int:
    return 0 if there is None else int(there["size"])

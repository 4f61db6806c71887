"""What a board said of itself (`on_board/chip.py`, `files.py`), and whether it can be provisioned."""

from dataclasses import dataclass
from typing import Any

import semver

from twinslot_sim import otadata
from twinslot_tools.firmware_file import chip_name

OLDEST = (1, 21)
"""The first MicroPython whose builds undo an image that does not prove itself (sdkconfig.base, rollback)."""
SLOTS = ("ota_0", "ota_1")


@dataclass(frozen=True)
class Board:
    """`files` are those that matter here, path → what there is to know, None for a folder; `settings` its
    configuration, empty for none, with the hash of its key and without a password; `modules` the built-in and frozen
    ones; `mpy` is the version of the bytecode that it runs. `slots` are the sizes of both app slots in bytes, empty
    for a board with one; `tree` the folder of the bundle that runs, empty for none. `trees` are the folders of bundles
    that are there: the `names` in each, and how many `blocks` come free with it; None for a file of that name."""

    chip: str
    micropython: str
    mpy: int
    unique_id: str
    slots: tuple[int, ...]
    running: str
    boots: str | None
    on_trial: bool
    image: tuple[str, str]
    modules: frozenset[str]
    files: dict[str, dict[str, Any] | None]
    settings: dict[str, Any]
    root: tuple[str, ...]
    lib: tuple[str, ...]
    tree: str
    trees: dict[str, dict[str, Any] | None]
    free_bytes: int
    block_bytes: int
    free_heap: int
    year: int

    @classmethod
    def of(cls, lines: list[str], told: dict[str, Any]) -> "Board":
        """The board that printed the lines and then told that."""
        chip = told["chip"] or {"id": -1, "unique_id": "", "partitions": [], "running": "", "boots": None}
        sizes = {row["label"]: row["size"] for row in chip["partitions"] if row["type"] == 0}
        number = chip["id"]
        return cls(
            chip=chip_name(number) if told["chip"] else "",
            micropython=told["version"],
            mpy=told["mpy"] & 0xFF,
            unique_id=chip["unique_id"],
            slots=tuple(sizes[label] for label in SLOTS) if sizes.keys() >= set(SLOTS) else (),
            running=chip["running"],
            boots=chip["boots"],
            on_trial=told["on_trial"] or _on_trial(chip["running"], chip.get("otadata", [])),
            image=(chip.get("project", ""), chip.get("version", "")),
            modules=frozenset(name.removesuffix("/__init__") for line in lines for name in line.split()),
            files=told["files"],
            settings=told["settings"] or {},
            root=tuple(told["root"]),
            lib=tuple(told["lib"]),
            tree=told["tree"],
            trees=dict(sorted(told["trees"].items())),
            free_bytes=told["free_bytes"],
            block_bytes=told["block_bytes"],
            free_heap=told["free_heap"],
            year=told["year"],
        )

    @property
    def takes_firmware(self) -> bool:
        """Whether it can get firmware over the air: into the slot beside the one that runs."""
        return bool(self.slots) and self.running in SLOTS

    @property
    def app_file(self) -> str | None:
        """The path of the board's own application that is a file or a folder, None without one."""
        return self._app_in(("", self.root), ("/lib", self.lib))

    @property
    def app_in_tree(self) -> str | None:
        """The path of the application that a bundle brought, which goes before all others, None without one."""
        there = self.trees.get(self.tree)
        return self._app_in((self.tree, tuple(there["names"]))) if there else None

    @staticmethod
    def _app_in(*places: tuple[str, tuple[str, ...]]) -> str | None:
        names = ("app", "app.py", "app.mpy")
        return next((f"{at}/{name}" for at, there in places for name in names if name in there), None)

    def version_of(self, app: str) -> str:
        """What a board that begins with this image runs: the image's own version when it is `app`, or MicroPython's."""
        project, version = self.image[0], self.image[1].removeprefix("v")
        return version if project == app and semver.Version.is_valid(version) else self.micropython

    def summary(self) -> str:
        """What it is, in a line."""
        slots = f"{len(self.slots)} app slots of {self.slots[0] // 1024} KiB" if self.slots else "one app slot"
        return f"{self.chip}, MicroPython {self.micropython}, {slots}, {self.free_bytes // 1024} KiB free for files"


def too_old(board: Board, mpy: int) -> str | None:
    """Why its MicroPython can't run our package, whose bytecode is of version `mpy`; None when it can."""
    if not board.chip:
        return "this is no ESP32: its MicroPython has no `esp32` module. Updates go to the app slots of an ESP32"
    numbers = tuple(int(part) for part in board.micropython.partition("-")[0].split(".")[:2])
    if numbers < OLDEST:
        return (
            f"MicroPython {board.micropython} is too old: it does not go back from firmware that fails. Write "
            f"{OLDEST[0]}.{OLDEST[1]} or newer, an OTA build, with `twinslot flash`"
        )
    if board.mpy != mpy:
        return (
            f"MicroPython {board.micropython} runs bytecode of version {board.mpy}, and the device package is of "
            f"version {mpy}: write a newer MicroPython, an OTA build, with `twinslot flash`, or update twinslot"
        )
    return None


def one_slot(board: Board) -> str:
    """What a board that takes no firmware over the air gets."""
    return (
        f"this board has one app slot ({board.running} runs): it takes bundles and packages over the air, but no "
        "firmware, for which it would need a build with -OTA- in its name"
    )


def in_the_way(board: Board) -> tuple[str, str] | None:
    """What of the owner's lies where bundles come, and what to do; None for nothing. A folder is Twinslot's when a
    bundle lies in it whole, or the board was provisioned before, so that one may be on its way."""
    for path, there in board.trees.items():
        hint = f"`mpremote cp -r :{path[1:]} . + rm -r :{path[1:]}` moves it here"
        if there is None:
            return f"{path} is a file of yours, and a bundle needs a folder of that name", hint
        if there["names"] and ".list" not in there["names"] and "/twinslot.json" not in board.files:
            return f"{path} holds files of yours, and is emptied when a bundle comes", hint
    return None


def unfit(board: Board, mpy: int) -> str | None:
    """Why the board can't be provisioned as it is, and what to do; None when it can. The first reason counts."""
    if reason := too_old(board, mpy):
        return reason
    if board.on_trial:
        return (
            f"the board is trying the release in {board.tree or board.running} just now, and to provision it would end "
            "that. Wait until it is over, some minutes at most, and run the command again"
        )
    boot = board.files.get("/boot.py")
    if boot and boot["code"] and not boot["ours"]:
        return (
            "the board's /boot.py holds code of yours, and Twinslot needs that file to end the trial of a release "
            "that hangs. Move your code into /main.py or your application, delete /boot.py "
            "(`mpremote cp :boot.py . + rm :boot.py` keeps a copy here), and run the command again"
        )
    if found := in_the_way(board):
        return f"{found[0]}: {found[1]}. Then run the command again"
    return None


def _on_trial(running: str, entries: list[str]) -> bool:
    """True when an entry of the slot that runs is pending, so that a reset would end its trial."""
    if running not in SLOTS:
        return False
    for each in entries:
        entry = otadata.parse(bytes.fromhex(each))
        slot = otadata.selected_slot(entry.sequence, len(SLOTS))
        if not entry.is_blank and entry.state == otadata.State.PENDING_VERIFY and slot == SLOTS.index(running):
            return True
    return False

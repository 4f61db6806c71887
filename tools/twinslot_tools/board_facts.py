"""What a board said of itself (`on_board/chip.py`, `files.py`), and whether it can be provisioned."""

from dataclasses import dataclass
from typing import Any

import semver

from twinslot_sim import otadata
from twinslot_tools.firmware_file import CHIPS

OLDEST = (1, 21)
"""The first MicroPython whose builds undo an image that does not prove itself (sdkconfig.base, rollback)."""
SLOTS = ("ota_0", "ota_1")


@dataclass(frozen=True)
class Board:
    """`files` are those that matter here, path → what there is to know, None for a folder; `settings` its
    configuration, empty for none, with the hash of its key and without a password; `modules` the built-in and frozen
    ones; `mpy` is the version of the bytecode that it runs. Without `slots`, the sizes of both app slots in bytes, it
    can't get firmware over the air."""

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
            chip=CHIPS[number][0] if number in CHIPS else f"chip {number}" if told["chip"] else "",
            micropython=told["version"],
            mpy=told["mpy"] & 0xFF,
            unique_id=chip["unique_id"],
            slots=tuple(sizes[label] for label in SLOTS) if sizes.keys() >= set(SLOTS) else (),
            running=chip["running"],
            boots=chip["boots"],
            on_trial=_on_trial(chip["running"], chip.get("otadata", [])),
            image=(chip.get("project", ""), chip.get("version", "")),
            modules=frozenset(name.removesuffix("/__init__") for line in lines for name in line.split()),
            files=told["files"],
            settings=told["settings"] or {},
            root=tuple(told["root"]),
            lib=tuple(told["lib"]),
            free_bytes=told["free_bytes"],
            block_bytes=told["block_bytes"],
            free_heap=told["free_heap"],
            year=told["year"],
        )

    @property
    def app_file(self) -> str | None:
        """The path of the application that is a file or a folder on the board, None without one."""
        names = ("app", "app.py", "app.mpy")
        places = (("", self.root), ("/lib", self.lib))
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


def one_slot(board: Board) -> str | None:
    """Why the board can't get firmware over the air; None when it can."""
    if board.slots and board.running in SLOTS:
        return None
    return (
        f"this board has one app slot ({board.running} runs), and updates go to a second one, so it can't get "
        "firmware over the air, now or later. What works with it are files: copy them with mpremote; bundles of them "
        "over the air are to come. For updates of everything write a build with -OTA- in its name, from "
        "micropython.org/download, with `twinslot flash`; where there is none, docs/getting-started.md tells "
        "how to build one"
    )


def unfit(board: Board, mpy: int) -> str | None:
    """Why the board can't be provisioned as it is, and what to do; None when it can. The first reason counts."""
    if reason := too_old(board, mpy) or one_slot(board):
        return reason
    if board.on_trial:
        return (
            f"the board is trying the release in {board.running} just now, and to provision it would end that. Wait "
            "until it is over, some minutes at most, and run the command again"
        )
    boot = board.files.get("/boot.py")
    if boot and boot["code"] and not boot["ours"]:
        return (
            "the board's /boot.py holds code of yours, and Twinslot needs that file to end the trial of a release "
            "that hangs. Move your code into /main.py or your application, delete /boot.py "
            "(`mpremote cp :boot.py . + rm :boot.py` keeps a copy here), and run the command again"
        )
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

"""What is right and what is wrong with a board: one check for each thing that an update needs, from what it told."""

from dataclasses import dataclass
from typing import Any

from twinslot_tools.board_facts import Board, in_the_way, one_slot, too_old
from twinslot_tools.provision_plan import CONFIG, MAIN, PACKAGE, Plan

LEAST_FREE_BYTES = 64 * 1024
LEAST_HEAP_BYTES = 64 * 1024
"""What an update over TLS needs beside an application: 33 KiB for the connection, and the agent's own."""
_CLOCK_SET = 2024
_AGAIN = "run `twinslot provision` again"


@dataclass(frozen=True)
class Check:
    """One thing: `ok` None when it could not be tried; `found` is what there is, `hint` what to do when not ok."""

    name: str
    ok: bool | None
    found: str
    hint: str = ""


def offline(board: Board, plan: Plan, mpy: int) -> list[Check]:
    """What the board's chip and files tell; `plan` is what provisioning would change, `mpy` our bytecode's version."""
    return [
        _micropython(board, mpy),
        _slots(board),
        _otadata(board),
        _package(board, plan),
        _start(board, plan),
        _application(board),
        _trees(board),
        _enough("space", board.free_bytes, LEAST_FREE_BYTES, "remove files of yours, as with `mpremote rm :FILE`"),
        _enough("heap", board.free_heap, LEAST_HEAP_BYTES, "an update may find too little; boot.py keeps it in use"),
        _clock(board),
    ]


def online(board: Board, told: dict[str, Any]) -> list[Check]:
    """What `on_board/online.py` told, empty when it could not be run: a step is empty where it went well, and missing
    where an earlier one failed."""
    about = told.get("board") or {}
    missing = f"{CONFIG} is missing" if CONFIG not in board.files else "not tried: the device package is not whole"
    named = f"{about.get('device')} of group {about.get('group')}, for {about.get('server')}"
    checks = [Check("configuration", not told.get("config", missing), told.get("config", missing) or named, _AGAIN)]
    if about and not about["ssid"]:
        checks.append(Check("wifi", None, "none is configured: the application connects by itself"))
    else:
        hint = "name, password, and a 2.4 GHz network in reach? Give them anew: `twinslot provision --wifi SSID`"
        checks.append(_step("wifi", told, f"connected to {about.get('ssid')}", hint))
    server = str(about.get("server", ""))
    hint = (
        "is it an address that the board's network leads to (never 127.0.0.1), does the server listen there "
        "(`twinslot serve --host 0.0.0.0`), and does a firewall let it through?"
    )
    checks.append(_step("server", told, f"{server} answers", hint))
    return [*checks, *_trust(server, told)]


def _trust(server: str, told: dict[str, Any]) -> list[Check]:
    """The certificate and the key: both are tried by the same request."""
    said = str(told.get("key", ""))
    refused = "does not accept this board's key" in said
    key_hint = "is the group's token still valid (`twinslot group tokens ID`)? With a valid one, " + _AGAIN
    if not server.startswith("https:"):
        return [_step("key", told, "the server knows it", key_hint)]
    certificate_hint = (
        "is --ca the certificate, or its issuer's, of this server, does it name the server's host, and is the board's "
        "clock right? With the right one, " + _AGAIN
    )
    if said and not refused:
        return [Check("certificate", False, said, certificate_hint), Check("key", None, "not tried")]
    verified = told | {"certificate": ""} if "key" in told else told
    return [
        _step("certificate", verified, "verified", certificate_hint),
        _step("key", told, "the server knows it", key_hint),
    ]


def _step(name: str, told: dict[str, Any], well: str, hint: str) -> Check:
    if name not in told:
        return Check(name, None, "not tried")
    return Check(name, not told[name], told[name] or well, hint)


def _micropython(board: Board, mpy: int) -> Check:
    reason = too_old(board, mpy)
    return Check("micropython", reason is None, f"{board.micropython} on {board.chip or 'no ESP32'}", reason or "")


def _slots(board: Board) -> Check:
    if not board.takes_firmware:
        return Check("slots", True, one_slot(board))
    sizes = " and ".join(f"{size // 1024} KiB" for size in board.slots)
    return Check("slots", True, f"{sizes}, {board.running} runs")


def _otadata(board: Board) -> Check:
    if board.on_trial:
        hint = "it is over within minutes; then ask again"
        return Check("trial", False, f"{board.tree or board.running} is on trial", hint)
    if not board.takes_firmware:
        return Check("otadata", None, "not looked at: there is no second slot to go to")
    if board.boots != board.running:
        hint = "the selected image does not boot; the agent puts that right at its next start, so start it"
        return Check("otadata", False, f"selects {board.boots}, and {board.running} runs", hint)
    return Check("otadata", True, f"selects {board.boots}, which is confirmed")


def _package(board: Board, plan: Plan) -> Check:
    hides = sorted({"twinslot", "twinslot.py", "twinslot.mpy"} & set(board.root))
    if hides:
        return Check("package", False, f"/{hides[0]} goes before {PACKAGE}", f"remove it: `mpremote rm -r :{hides[0]}`")
    if "twinslot" in board.modules:
        return Check("package", True, "frozen in the image")
    wrong = [path for path in (*plan.writes, *plan.removes) if path.startswith(PACKAGE)]
    found = f"{len(wrong)} of its files are missing, or not this twinslot's" if wrong else "as this twinslot has it"
    return Check("package", not wrong, found, _AGAIN)


def _start(board: Board, plan: Plan) -> Check:
    boot = board.files.get("/boot.py")
    if boot is None or not boot["ours"]:
        return Check("start", False, "/boot.py is not Twinslot's, so nothing ends the trial of what hangs", _AGAIN)
    if plan.keeps_main and not (board.files[MAIN] or {})["names_us"]:
        hint = "call `twinslot.update_now()` in it, or run `twinslot.Agent().run()` beside its tasks"
        return Check("start", False, "/main.py is yours, and does not start the agent", hint)
    if MAIN not in board.files:
        return Check("start", False, "/main.py is missing", _AGAIN)
    return Check("start", True, "boot.py is Twinslot's, main.py is " + ("yours" if plan.keeps_main else "too"))


def _application(board: Board) -> Check:
    if board.tree:
        found = board.app_in_tree or f"that of the board, since {board.tree} has none"
        return Check("application", True, f"{found}; the bundle in {board.tree} runs")
    file, frozen = board.app_file, "app" in board.modules
    if file and frozen and not file.startswith("/lib/"):
        hint = f"what a release brings does not run as long as that file is there: `mpremote rm -r :{file[1:]}`"
        return Check("application", False, f"{file} hides the `app` of the image", hint)
    if not file and not frozen:
        return Check("application", False, "there is no module `app`", f"copy one there, or {_AGAIN} for a first one")
    return Check("application", True, "frozen in the image" if frozen else str(file))


def _trees(board: Board) -> Check:
    if found := in_the_way(board):
        return Check("trees", False, *found)
    return Check("trees", True, " and ".join(board.trees) or "none: no bundle came yet")


def _enough(name: str, there_bytes: int, least_bytes: int, hint: str) -> Check:
    return Check(name, there_bytes >= least_bytes, f"{there_bytes // 1024} KiB free", hint)


def _clock(board: Board) -> Check:
    if board.year >= _CLOCK_SET:
        return Check("clock", True, f"it is {board.year}")
    if not str(board.settings.get("server", "")).startswith("https:"):
        return Check("clock", True, f"it is {board.year}; the server's first answer sets it")
    if board.settings.get("clock_s"):
        return Check("clock", True, f"it is {board.year}; the agent sets it before it connects")
    hint = "no certificate is valid yet by that clock, and the configuration has no `clock_s`: " + _AGAIN
    return Check("clock", False, f"it is {board.year}", hint)

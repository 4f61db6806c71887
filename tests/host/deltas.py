"""Boards that run certain images, and what a server makes of that: deltas, or none."""

import base64
import hashlib
import json
import os
import random
import re
import resource
import select
import signal
import struct
from contextlib import suppress
from pathlib import Path

from .carried import applied
from .clients import Board, Server, until
from .samples import make_image
from .scene import Account, Part, another_account, first_account, new_group, rows

NOISE = random.Random(20261123).randbytes(200_000)
OLD = make_image(NOISE)
NEW = make_image(NOISE[:100_000] + b"inserted" + NOISE[100_000:])
THIRD, FOURTH = make_image(NOISE[1000:]), make_image(NOISE[2000:])
LARGE = make_image(NOISE + random.Random(2).randbytes(1_000_000))
OTHER = make_image(random.Random(1).randbytes(200_000))
PATIENCE_S = 300  # of a machine that has much else to do
QUICK = {"DELTA_AGAIN_S": 0, "DELTA_NICENESS": 0}


def sha256(image: bytes) -> str:
    return hashlib.sha256(image).hexdigest()


def publish(server: Server, *images: bytes, app: str = "kettle") -> None:
    """The images are releases 1.1.0, 1.2.0, … of the application."""
    for number, image in enumerate(images, start=1):
        assert server.publish(image, f"1.{number}.0", app).status == 201


def neighbour(server: Server) -> Account:
    """Another account."""
    return another_account(first_account(server), "beryl")


def theirs(account: Account, *images: bytes) -> dict:
    """A group of that account, whose application has the images as releases 1.1.0, 1.2.0, …"""
    group = account.made("POST", "/api/v1/groups", new_group(account.name)).json
    for number, image in enumerate(images, start=1):
        told = json.dumps({"version": f"1.{number}.0", "strategy": "general"}).encode()
        parts = [Part("release", told), Part("image", image, "new.bin")]
        account.made("POST", f"/api/v1/applications/{group['app']}/releases", parts)
    return group


def runs(board: Board, image: bytes, version: str = "1.1.0", account: Account | None = None) -> Board:
    """The board has been offered that release, and has confirmed it; None: it is the first account's."""
    account = account or first_account(board.server)
    account.made("PATCH", f"/api/v1/groups/{board.group}", {"target": version})
    manifest = base64.b64decode(board.offer()["manifest"])
    (sequence,) = struct.unpack_from("<I", manifest, 8)
    assert manifest[20:52].hex() == sha256(image)
    assert board.report("confirmed", version, sequence).status == 204
    account.made("PATCH", f"/api/v1/groups/{board.group}", {"target": None})
    board.told |= {
        "version": version,
        "confirmed_version": version,
        "sequence": sequence,
        "image": sha256(image),
    }
    return board


def running(server: Server, image: bytes, group: dict | None = None, device: str = "board-1") -> Board:
    """A board that runs the image, which is release 1.1.0."""
    return runs(server.board(group or server.group(), device), image)


def outcomes(server: Server) -> dict[str, int]:
    """How often which came of a wish for a delta since the server's start."""
    text = server.request("GET", "/metrics").body.decode()
    found = re.findall(r'^twinslot_deltas_total{outcome="([a-z_]+)"} (\S+)$', text, re.MULTILINE)
    return {name: int(float(count)) for name, count in found}


def came(server: Server, wanted: dict[str, int]) -> None:
    """That has come of it by now, and nothing else."""
    until(lambda: outcomes(server) == wanted, PATIENCE_S)


def carried(server: Server, offer: dict, base: bytes = b"") -> bytes:
    """The image that comes out of what the offer's transfer holds."""
    return applied(server.request("GET", offer["transfer"]).body, base)


def shown(server: Server) -> dict:
    return server.api("GET", "/devices/board-1/explain").json["offer"]["transfer"]


def made(server: Server) -> set[tuple[str, str]]:
    """Image and base of the deltas that have a file."""
    return {(row["image"], row["base"]) for row in rows(server.data)["transfers"] if row["base"] and row["sha256"]}


def artifact(server: Server, image: bytes) -> Path:
    return server.data / "artifacts" / sha256(image)[:2] / sha256(image)


def set_limit(server: Server, size_bytes: int = resource.RLIM_INFINITY) -> None:
    """No file of the server's can grow beyond that, as on a full disk."""
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size_bytes, resource.RLIM_INFINITY))


def fill(server: Server) -> None:
    """There is no room for what LARGE takes, but for what the database may still need."""
    set_limit(server, (server.data / "twinslot.db").stat().st_size + 500_000)


def logged(server: Server, *texts: str) -> None:
    """The server's log has a line with these texts; it and what came before are read, and not there any more."""
    line, log = "", server.process.stderr
    while not all(text in line for text in texts):
        assert select.select([log], [], [], PATIENCE_S)[0], f"no line with {texts}"
        line = log.readline().decode()
        assert line, f"it ended without a line with {texts}"


def workers(server: Server) -> list[int]:
    """The processes that make a delta of this server's."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (folder / "cmdline").read_bytes()
            if b"delta_worker" in command and str(server.data).encode() in command:
                found.append(int(folder.name))
    return found


class Stuck:
    """A server whose process for deltas waits for its base, and the board that the delta is for."""

    def __init__(self, server: Server) -> None:
        self.server = server
        publish(server, OLD, NEW)
        self.board = running(server, OLD)
        self.base = artifact(server, OLD)
        self.base.unlink()
        os.mkfifo(self.base)
        self.board.check()

    def worker(self) -> int:
        """The process, which is there by now."""
        until(lambda: len(workers(self.server)) == 1, PATIENCE_S)
        return workers(self.server)[0]

    def mend(self) -> None:
        """The base is a file again; the process goes on waiting."""
        new = self.base.with_name("new")
        new.write_bytes(OLD)
        new.rename(self.base)

    def let_go(self) -> None:
        """The process has its base."""
        with self.base.open("wb") as pipe:
            self.mend()
            pipe.write(OLD)

    def kill(self) -> None:
        """The process is gone, with nothing made."""
        os.kill(self.worker(), signal.SIGKILL)

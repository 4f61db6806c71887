"""Transfers against the image that a device runs: made once, beside the server's work, of one account's images."""

import hashlib
import os
import random
import re
import resource
import signal
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from .carried import applied
from .clients import Board, Server, until
from .samples import make_image
from .scene import Part, another_account, first_account, left, new_group, rows
from .test_uploads import nothing_is_left

NOISE = random.Random(20261123).randbytes(200_000)
OLD = make_image(NOISE)
NEW = make_image(NOISE[:100_000] + b"inserted" + NOISE[100_000:])
OTHER = make_image(random.Random(1).randbytes(200_000))
PATIENCE_S = 300  # of a machine that has much else to do
LARGE = random.Random(2).randbytes(1_000_000)


def sha256(image: bytes) -> str:
    return hashlib.sha256(image).hexdigest()


def publish(server: Server, *images: bytes, app: str = "kettle") -> None:
    """The images are releases 1.1.0, 1.2.0, … of the application."""
    for number, image in enumerate(images, start=1):
        assert server.publish(image, f"1.{number}.0", app).status == 201


def running(server: Server, image: bytes | None, group: dict | None = None, device: str = "board-1") -> Board:
    """A board that says it runs the image, as release 1.1.0."""
    told = {"version": "1.1.0", "confirmed_version": "1.1.0", "image": None if image is None else sha256(image)}
    return server.board(group or server.group(), device, **told)


def outcomes(server: Server) -> dict[str, int]:
    """How often which came of making a delta since the server's start."""
    text = server.request("GET", "/metrics").body.decode()
    found = re.findall(r'^twinslot_deltas_total{outcome="(.*)"} (\S+)$', text, re.MULTILINE)
    return {name: int(float(count)) for name, count in found}


def came(server: Server, wanted: dict[str, int]) -> None:
    """That has come of it by now, and nothing else."""
    until(lambda: outcomes(server) == wanted, PATIENCE_S)


def carried(server: Server, offer: dict, base: bytes = b"") -> bytes:
    """The image that comes out of what the offer's transfer holds."""
    return applied(server.request("GET", offer["transfer"]).body, base)


def shown(server: Server) -> dict:
    return server.api("GET", "/devices/board-1/explain").json["offer"]["transfer"]


def workers(server: Server) -> list[int]:
    """The processes that make a delta of this server's."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (folder / "cmdline").read_bytes()
            if b"delta_worker" in command and str(server.data).encode() in command:
                found.append(int(folder.name))
    return found


def test_device_is_offered_the_whole_image_until_what_it_lacks_is_made(server):
    publish(server, OLD, NEW)
    board = running(server, OLD)
    offer = board.offer()
    assert carried(server, offer) == NEW
    assert server.request("GET", offer["image"]).body == NEW
    came(server, {"made": 1})
    offer = board.offer()
    delta = server.request("GET", offer["transfer"]).body
    assert applied(delta, OLD) == NEW
    assert len(delta) < len(NEW) / 100
    assert server.request("GET", offer["image"]).body == NEW
    part = server.request("GET", offer["transfer"], headers={"Range": "bytes=48-111"})
    assert (part.status, part.body, part.headers["ETag"]) == (206, delta[48:112], f'"{sha256(delta)}"')


def test_a_person_sees_which_transfer_a_device_would_get(server):
    publish(server, OLD, NEW)
    board = running(server, None)
    offer = board.offer()
    whole = server.request("GET", offer["transfer"]).body
    assert shown(server) == {"sha256": sha256(whole), "size": len(whole), "base": None}
    board.check(image=sha256(OLD))
    until(lambda: shown(server)["base"] is not None, PATIENCE_S)
    delta = server.request("GET", board.offer()["transfer"]).body
    assert shown(server) == {"sha256": sha256(delta), "size": len(delta), "base": sha256(OLD)}
    assert server.publish(None, "2.0.0", specification=b"{}").status == 201
    assert shown(server) is None


def test_delta_is_made_once_for_all_devices_and_outlives_the_server(start):
    server = start()
    group = server.group()
    publish(server, OLD, NEW)
    running(server, OLD, group).check()
    came(server, {"made": 1})
    assert carried(server, running(server, OLD, group, "board-2").offer(), OLD) == NEW
    assert outcomes(server) == {"made": 1}
    server.stop(signal.SIGKILL)
    again = start()
    assert carried(again, running(again, OLD, group, "board-3").offer(), OLD) == NEW
    assert outcomes(again) == {}


def test_device_that_has_the_image_already_fetches_an_index_alone(server):
    publish(server, OLD)
    assert server.publish(OLD, "1.2.0").status == 201
    board = running(server, OLD)
    board.check()
    came(server, {"made": 1})
    offer = board.offer()
    assert carried(server, offer, OLD) == OLD
    assert shown(server)["size"] == 48 + 16 * 4


def test_image_of_no_release_of_the_application_is_no_base(server):
    publish(server, OTHER, app="toaster")
    publish(server, OLD, NEW)
    group = server.group()
    for image in (None, OTHER, b"never uploaded"):
        assert carried(server, running(server, image, group).offer()) == NEW
    running(server, OLD, group).check()
    came(server, {"made": 1})
    assert {row["base"] for row in rows(server.data)["transfers"]} == {"", sha256(OLD)}


def test_another_accounts_image_is_no_base_even_where_the_delta_is_there(server):
    first = first_account(server)
    publish(server, OLD, NEW)
    running(server, OLD).check()
    came(server, {"made": 1})
    second = another_account(first, "beryl")
    group = second.made("POST", "/api/v1/groups", new_group("beryl")).json
    file = {"name": "release", "content": b'{"version": "1.2.0", "strategy": "general"}'}

    parts = [Part(**file), Part("image", NEW, "new.bin")]
    second.made("POST", f"/api/v1/applications/{group['app']}/releases", parts)
    spy = running(server, OLD, group, "spy")
    for _ in range(2):
        assert carried(server, spy.offer()) == NEW
    assert outcomes(server) == {"made": 1}


def test_delta_that_saves_nothing_is_not_kept_nor_tried_again(server):
    zeros = make_image(size=200_000)
    publish(server, OTHER, zeros)
    board = running(server, OTHER)
    board.check()
    came(server, {"not worth it": 1})
    assert carried(server, board.offer()) == zeros
    board.check(image=sha256(zeros))
    came(server, {"not worth it": 1, "made": 1})
    assert set(left(server.data)) == {sha256(OTHER), sha256(zeros)}


def test_pair_that_fails_is_logged_and_tried_three_times_while_offers_go_on(start):
    server = start(bounds={"DELTA_AGAIN_S": 0, "DELTA_NICENESS": 0})
    publish(server, OLD, NEW)
    (server.data / "artifacts" / sha256(OLD)[:2] / sha256(OLD)).unlink()
    board = running(server, OLD)
    for count in (1, 2, 3):
        assert carried(server, board.offer()) == NEW
        came(server, {"failed": count})
    assert carried(server, board.offer()) == NEW
    publish(server, OTHER, app="toaster")
    assert server.publish(OTHER, "1.2.0", "toaster").status == 201
    running(server, OTHER, server.group(app="toaster"), "board-2").check()
    came(server, {"failed": 3, "made": 1})
    log = server.stop()
    assert log.count(f"the transfer of {sha256(NEW)} against {sha256(OLD)} could not be made") == 3
    assert "No such file" in log


def test_pair_that_has_just_failed_rests(server):
    publish(server, OLD, NEW)
    (server.data / "artifacts" / sha256(OLD)[:2] / sha256(OLD)).unlink()
    board = running(server, OLD)
    board.check()
    came(server, {"failed": 1})
    board.check()
    board.check(image=sha256(NEW), version="1.1.1")
    came(server, {"failed": 1, "made": 1})


class Stuck:
    """A server whose process for deltas waits for its base, and the board that the delta is for."""

    def __init__(self, server: Server) -> None:
        self.server = server
        publish(server, OLD, NEW)
        self.base = server.data / "artifacts" / sha256(OLD)[:2] / sha256(OLD)
        self.base.unlink()
        os.mkfifo(self.base)
        self.board = running(server, OLD)
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


@pytest.fixture
def stuck(start) -> Stuck:
    found = Stuck(start(bounds={"DELTA_AGAIN_S": 0, "DELTA_NICENESS": 0}))
    found.worker()
    return found


def test_deltas_are_made_one_after_the_other(stuck):
    server = stuck.server
    assert server.publish(make_image(NOISE[1000:]), "1.3.0").status == 201
    for _ in range(2):
        assert carried(server, stuck.board.offer()) == make_image(NOISE[1000:])
    assert len(workers(server)) == 1
    stuck.let_go()
    came(server, {"made": 2})
    assert carried(server, stuck.board.offer(), OLD) == make_image(NOISE[1000:])


def test_what_is_too_much_to_wait_is_asked_for_again_later(start):
    stuck = Stuck(start(bounds={"DELTAS_WAITING": 1, "DELTA_NICENESS": 0}))
    server = stuck.server
    third = make_image(NOISE[1000:])
    assert server.publish(third, "1.3.0").status == 201
    stuck.board.check()
    stuck.worker()
    stuck.let_go()
    came(server, {"made": 1})
    stuck.board.check(image=sha256(third))
    came(server, {"made": 2})
    made = {(row["image"], row["base"]) for row in rows(server.data)["transfers"] if row["base"]}
    assert made == {(sha256(NEW), sha256(OLD)), (sha256(third), sha256(third))}
    stuck.board.check(image=sha256(OLD))
    came(server, {"made": 3})


def test_process_that_makes_a_delta_gives_way_to_all_others(start):
    stuck = Stuck(start(bounds={}))
    worker = stuck.worker()
    until(lambda: os.getpriority(os.PRIO_PROCESS, worker) == 19, PATIENCE_S)
    stuck.let_go()
    came(stuck.server, {"made": 1})


def test_process_that_is_killed_is_started_anew(stuck):
    os.kill(stuck.worker(), signal.SIGKILL)
    came(stuck.server, {"failed": 1})
    stuck.mend()
    assert carried(stuck.server, stuck.board.offer()) == NEW
    came(stuck.server, {"failed": 1, "made": 1})
    assert carried(stuck.server, stuck.board.offer(), OLD) == NEW


def test_process_that_takes_too_long_is_ended(start):
    stuck = Stuck(start(bounds={"DELTA_AGAIN_S": 0, "DELTA_S": 1}))
    came(stuck.server, {"failed": 1})
    assert workers(stuck.server) == []
    assert carried(stuck.server, stuck.board.offer()) == NEW
    assert "it took more than 1 s" in stuck.server.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_server_that_ends_takes_the_process_with_it_and_leaves_no_half_file(stuck, start, number):
    stuck.server.process.send_signal(number)
    assert stuck.server.process.wait() == {signal.SIGTERM: 0, signal.SIGKILL: -number}[number]
    until(lambda: not workers(stuck.server), PATIENCE_S)
    stuck.mend()
    stuck.board.server = again = start()
    assert set(left(again.data)) == {sha256(OLD), sha256(NEW)}
    stuck.board.check()
    came(again, {"made": 1})
    assert carried(again, stuck.board.offer(), OLD) == NEW


def test_delta_of_an_image_that_is_deleted_meanwhile_is_not_kept(stuck):
    server = stuck.server
    assert server.api("DELETE", "/devices/board-1").status == 204
    with stuck.base.open("wb") as pipe:
        assert server.api("DELETE", "/applications/kettle/releases/1.1.0").status == 204
        pipe.write(OLD)
    came(server, {"made": 1})
    until(lambda: left(server.data) == [sha256(NEW)])
    assert [(row["image"], row["base"]) for row in rows(server.data)["transfers"]] == [(sha256(NEW), "")]


@pytest.mark.parametrize(("deleted", "kept"), [("1.1.0", NEW), ("1.2.0", OLD)])
def test_image_that_is_deleted_takes_its_transfers_with_it(server, deleted, kept):
    publish(server, OLD, NEW)
    board = running(server, OLD)
    board.check()
    came(server, {"made": 1})
    delta = board.offer()["transfer"]
    assert server.api("DELETE", "/devices/board-1").status == 204
    assert server.api("DELETE", f"/applications/kettle/releases/{deleted}").status == 204
    assert server.request("GET", delta).status == 404
    assert [(row["image"], row["base"]) for row in rows(server.data)["transfers"]] == [(sha256(kept), "")]
    assert left(server.data) == [sha256(kept)]


def test_start_removes_transfers_of_images_that_no_release_has(start):
    server = start()
    publish(server, OLD, NEW)
    running(server, OLD).check()
    came(server, {"made": 1})
    server.stop(signal.SIGKILL)
    with closing(sqlite3.connect(server.data / "twinslot.db")) as db, db:  # as if power was cut right after this
        db.execute("DELETE FROM files WHERE sha256 = ?", (sha256(OLD),))
    again = start()
    assert [(row["image"], row["base"]) for row in rows(again.data)["transfers"]] == [(sha256(NEW), "")]
    assert left(again.data) == [sha256(NEW)]


def test_transfers_stay_while_another_release_has_the_content(server):
    publish(server, OLD, NEW)
    publish(server, OLD, NEW, app="toaster")
    running(server, OLD).check()
    came(server, {"made": 1})
    for version in ("1.1.0", "1.2.0"):
        assert server.api("DELETE", f"/applications/toaster/releases/{version}").status == 204
    assert server.api("GET", "/applications/toaster").json["releases"] == []
    board = running(server, OLD, server.group(), "board-2")
    assert carried(server, board.offer(), OLD) == NEW
    assert outcomes(server) == {"made": 1}


def test_upload_that_is_refused_leaves_no_transfer(server, publisher):
    server.group(key=publisher)
    assert server.publish(OLD).status == 400
    assert nothing_is_left(server)
    assert rows(server.data)["transfers"] == []


def test_full_disk_keeps_the_delta_out_and_offers_go_on(start):
    server = start()
    new = make_image(NOISE + LARGE)
    publish(server, OLD, new)
    group = server.group()
    server.stop()  # which leaves an empty log of the database
    server = start(bounds={"DELTA_AGAIN_S": 0, "DELTA_NICENESS": 0})
    set_limit(server, (server.data / "twinslot.db").stat().st_size + len(LARGE) // 2)
    board = running(server, OLD, group)
    assert carried(server, board.offer()) == new
    came(server, {"failed": 1})
    assert set(left(server.data)) == {sha256(new), sha256(OLD)}
    set_limit(server, resource.RLIM_INFINITY)
    board.check()
    came(server, {"failed": 1, "made": 1})
    assert carried(server, board.offer(), OLD) == new
    assert "disk is full" in server.stop()


def set_limit(server: Server, size_bytes: int) -> None:
    """No file of the server's can grow beyond that, as on a full disk."""
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size_bytes, resource.RLIM_INFINITY))

"""Transfers against the image that a device runs: which it is offered, and how long they are there."""

import signal
import sqlite3
from contextlib import closing

import pytest

from .carried import applied
from .deltas import (
    NEW,
    OLD,
    OTHER,
    came,
    carried,
    made,
    neighbour,
    outcomes,
    publish,
    running,
    runs,
    sha256,
    shown,
    theirs,
)
from .samples import make_image
from .scene import left, rows
from .test_uploads import nothing_is_left


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
    board = running(server, OLD)
    offer = board.offer()
    whole = server.request("GET", offer["transfer"]).body
    came(server, {"made": 1})
    delta = server.request("GET", board.offer()["transfer"]).body
    assert shown(server) == {"sha256": sha256(delta), "size": len(delta), "base": sha256(OLD)}
    board.check(image=None)
    assert shown(server) == {"sha256": sha256(whole), "size": len(whole), "base": None}
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
    board = running(server, OLD)
    assert server.publish(OLD, "1.2.0").status == 201
    board.check()
    came(server, {"made": 1})
    offer = board.offer()
    assert carried(server, offer, OLD) == OLD
    assert shown(server)["size"] == 48 + 16 * 4


def test_image_that_a_device_only_says_it_runs_is_no_base(server):
    publish(server, OTHER, app="toaster")
    publish(server, OLD, NEW)
    group = server.group()
    liar = server.board(group, "liar", version="1.1.0", confirmed_version="1.1.0")
    for image in (OLD, OTHER, b"never uploaded"):
        assert carried(server, liar.offer(image=sha256(image))) == NEW
    for row in reversed(rows(server.data)["signatures"]):  # of which the device is offered the first alone
        assert liar.report("confirmed", "1.1.0", row["sequence"]).status == 204
        assert carried(server, liar.offer(image=sha256(OLD))) == NEW
    running(server, OLD, group).check()
    came(server, {"made": 1})
    assert made(server) == {(sha256(NEW), sha256(OLD))}
    assert carried(server, liar.offer()) == NEW


def test_another_accounts_image_is_no_base_even_where_the_delta_is_there(server):
    publish(server, OLD, NEW)
    running(server, OLD).check()
    came(server, {"made": 1})
    group = theirs(neighbour(server), OTHER, NEW)
    spy = server.board(group, "spy", version="1.1.0", confirmed_version="1.1.0", image=sha256(OLD))
    for _ in range(2):
        assert carried(server, spy.offer()) == NEW
    assert outcomes(server) == {"made": 1}


def test_accounts_with_the_same_images_share_files_and_nothing_else(server):
    publish(server, OLD, NEW)
    board = running(server, OLD)
    board.check()
    came(server, {"made": 1})
    stored = set((server.data / "artifacts").glob("??/*"))
    account = neighbour(server)
    group = theirs(account, OLD, NEW)
    other = runs(server.board(group, "board-2"), OLD, account=account)
    assert carried(server, other.offer()) == NEW
    came(server, {"made": 2})
    assert carried(server, other.offer(), OLD) == NEW
    assert set((server.data / "artifacts").glob("??/*")) == stored
    account.made("DELETE", "/api/v1/devices/board-2")
    account.made("DELETE", f"/api/v1/applications/{group['app']}/releases/1.1.0")
    assert len(rows(server.data)["transfers"]) == 4
    assert carried(server, board.offer(), OLD) == NEW


def test_delta_that_saves_nothing_is_not_kept_nor_tried_again(server):
    zeros, group = make_image(size=200_000), server.group()
    publish(server, OTHER, zeros, zeros)
    board = running(server, OTHER, group)
    board.check()
    came(server, {"not_smaller": 1})
    assert carried(server, board.offer()) == zeros
    runs(server.board(group, "board-2"), zeros, "1.2.0").check()
    came(server, {"not_smaller": 1, "made": 1})
    assert set(left(server.data)) == {sha256(OTHER), sha256(zeros)}


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

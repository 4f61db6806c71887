"""What was acknowledged is not lost, and nothing is half done."""

import secrets
import signal
import sqlite3
import stat

import pytest

from .carried import applied
from .clients import Server
from .kaa import Kaa, new_filter
from .samples import make_image
from .scene import left

IMAGE = make_image(size=5000)


def state(server) -> tuple:
    groups, devices = (server.api("GET", path).json for path in ("/groups", "/devices"))
    return groups, devices, server.api("GET", "/applications/kettle").json, server.api("GET", "/devices/board-1").json


def verdicts(server) -> list[dict] | None:
    """What the device would be offered and why; None before it is known."""
    answer = server.api("GET", "/devices/board-1/explain")
    return answer.json["releases"] if answer.status == 200 else None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_restart_loses_nothing(start, number):
    server = start()
    board = server.board(server.group())
    sequence = server.publish(IMAGE).json["sequence"]
    board.offer()
    board.report("refused", "1.1.0", sequence, "size")
    before = state(server)
    server.stop(number)
    board.server = again = start()
    assert state(again) == before
    assert board.offer() is None


def test_sigkill_right_after_an_acknowledged_upload_loses_nothing(start):
    for number in range(5):
        server = start()
        if number == 0:
            group = server.group()
        image = make_image(secrets.token_bytes(8), size=100_000)
        release = server.publish(image, f"1.{number}.0").json
        server.stop(signal.SIGKILL)
        again = start()
        assert again.api("GET", "/applications/kettle").json["releases"][-1] == release
        offer = again.board(group, f"board-{number}").offer(version="0.0.1")
        assert again.request("GET", offer["image"]).body == image
        assert applied(again.request("GET", offer["transfer"]).body) == image
        again.stop(signal.SIGKILL)


def test_sigkill_between_any_two_calls_about_a_release_loses_nothing(start):
    server = start()
    group = server.group()
    board, kaa, everyone = server.board(group), Kaa(server, "kettle"), new_filter(server)
    one = "/applications/kettle/releases/1.1.0"
    aims = {"strategy": "targeted", "filters": [{"filter": everyone, "rollout_at": "2020-01-01T00:00:00Z"}]}
    calls = (
        lambda: kaa.post("1.1.0", specification={"boil": 90}, rolloutStrategy="suspended"),
        lambda: kaa.upload("1.1.0", IMAGE),
        lambda: server.api("PATCH", one, aims),
        lambda: board.check(),  # signs it
        lambda: board.check(state="trial"),
        lambda: board.report("rolled_back", "1.1.0", server.api("GET", one).json["sequence"], "crash"),
        lambda: board.check(state="idle"),
        lambda: kaa.delete_file("1.1.0"),
        lambda: kaa.upload("1.1.0", make_image(b"repaired")),
        lambda: server.api("PATCH", f"/groups/{group['id']}", {"target": "1.1.0"}),
        lambda: board.check(),
        lambda: server.publish(None, "1.2.0", specification=b"[1]"),
        lambda: server.api("DELETE", "/applications/kettle/releases/1.2.0"),
    )
    for call in calls:
        assert call().status in (200, 201, 204)
        before = state(server), verdicts(server)
        server.stop(signal.SIGKILL)
        board.server = kaa.server = server = start()
        assert (state(server), verdicts(server)) == before
    assert server.request("GET", board.offer()["image"]).body == make_image(b"repaired")


def test_server_that_is_told_to_stop_exits_with_0(server):
    server.stop()
    assert server.process.returncode == 0


def test_second_server_is_refused_and_the_first_goes_on(start):
    first = start()
    with pytest.raises(AssertionError, match=f"another server is running on {first.data}"):
        start()
    assert first.request("GET", "/healthz").status == 200


def test_first_start_makes_everything_private(tmp_path):
    server = Server(tmp_path / "new" / "data")
    server.publish(IMAGE)
    modes = {path.relative_to(server.data): path.stat().st_mode for path in server.data.rglob("*")}
    server.stop()
    assert stat.S_IMODE(server.data.stat().st_mode) == 0o700
    assert [path for path, mode in modes.items() if stat.S_IMODE(mode) & 0o077] == []
    assert {"twinslot.db", "jwt.key", "nonce.key", "link.key", "signing.pem"} <= {str(path) for path in modes}
    with sqlite3.connect(server.data / "twinslot.db") as db:
        accounts = [row[0] for row in db.execute("SELECT id FROM accounts")]
    db.close()
    assert [len(account) for account in accounts] == [24]


def test_store_of_a_newer_version_is_refused_with_a_clear_message(start):
    server = start()
    server.stop()
    with sqlite3.connect(server.data / "twinslot.db") as db:
        db.execute("INSERT INTO migrations VALUES (99, 0)")
    db.close()
    with pytest.raises(AssertionError, match="newer version"):
        start()


def test_start_removes_unfinished_uploads_and_images_of_no_release(start):
    server = start()
    release = server.publish(IMAGE).json
    server.stop(signal.SIGKILL)
    (server.data / "incoming" / "cut").write_bytes(b"half")
    orphan = server.data / "artifacts" / "00" / ("0" * 64)
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_bytes(b"renamed, not committed")
    start()
    assert left(server.data) == [release["sha256"]]


def test_full_disk_at_upload_is_507_and_changes_nothing(start):
    server = start(file_size_limit=1_500_000)
    group = server.group()
    first = server.publish(IMAGE).json
    answer = server.publish(make_image(b"large", size=2_000_000), "1.2.0")
    assert (answer.status, "disk is full" in answer.detail) == (507, True)
    assert left(server.data) == [first["sha256"]]
    assert server.api("GET", "/applications/kettle").json["releases"] == [first]
    assert server.board(group).offer() is not None


def test_full_disk_at_the_commit_is_507_and_changes_nothing(start):
    start().stop()
    limit = 300_000
    server = start(file_size_limit=limit)
    group = server.group()
    board = server.board(group)
    while (answer := board.report("failed", "1.1.0", 1, "x" * 200)).status == 204:
        pass  # the write-ahead log grows up to the limit
    assert (answer.status, "Authentication-Info" in answer.headers) == (507, True)
    refused = server.publish(IMAGE)
    assert refused.status == 507
    assert left(server.data) == []
    assert (server.data / "twinslot.db-wal").stat().st_size <= limit
    server.stop()
    again = start()
    assert again.publish(IMAGE).status == 201
    events = again.api("GET", "/devices/board-1").json["events"]
    assert {each["reason"] for each in events} == {"x" * 200}

"""Who gets in, and what a replay gets."""

import gzip
import json
import time

import pytest

from twinslot_host.domain import auth

from .samples import make_image

CHECK = "/device/v1/check"


def is_challenge(answer) -> bool:
    """A 401 without a mac: there is no common key."""
    proven = "Authentication-Info" in answer.headers
    return answer.status == 401 and answer.headers["WWW-Authenticate"] == "Twinslot" and not proven


def visitor(server, **told):
    """A board of a group of its own, on the server that others use too."""
    group = server.group()
    return server.board(group, f"board-{group['id']}", **told)


def unknown(server, board) -> bool:
    return server.api("GET", f"/devices/{board.device}").status == 404


def seen(server) -> int:
    return server.api("GET", "/devices").json["total"]


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer abc",
        "Twinslot",
        "Twinslot " + "a" * 4000,
        'Twinslot group="x", device="board-1", nonce="", seq="1", cnonce="", mac=""',
        "Twinslot \xff\xfe",
        "Basic Og==",
    ],
)
def test_garbage_authorization_is_challenged(shared, header):
    headers = {} if header is None else {"Authorization": header.encode("latin-1")}
    answer = shared.request("POST", CHECK, b"{}", headers)
    assert is_challenge(answer)
    assert answer.detail


def test_wrong_token_is_challenged_and_leaves_no_device(server):
    group = server.group()
    assert is_challenge(server.board(group | {"token": "0123456789abcdef"}).check())
    assert seen(server) == 0


def test_unknown_group_is_challenged(shared):
    assert is_challenge(shared.board(shared.group() | {"id": "0" * 24}).check())


def test_key_of_another_device_is_challenged(server):
    group = server.group()
    board = server.board(group)
    board.device = "board-2"
    assert is_challenge(board.check())


@pytest.mark.parametrize("part", ["method", "path", "query", "body", "nonce", "seq"])
def test_altered_request_is_challenged(shared, part):
    board = visitor(shared)
    board.check()
    board.seq += 1
    body = json.dumps(board.told).encode()
    headers = board.signed("POST", CHECK, body)
    method, path = "POST", CHECK
    if part == "method":
        method = "PUT"
    elif part == "path":
        path = "/device/v1/report"
    elif part == "query":
        path += "?a=b"
    elif part == "body":
        body += b" "
    else:
        old = f'{part}="{getattr(board, part)}"'
        headers["Authorization"] = headers["Authorization"].replace(old, f'{part}="9"')
    assert is_challenge(shared.request(method, path, body, headers))


def test_first_request_gets_a_nonce_in_a_proven_401_and_leaves_no_device(shared):
    board = visitor(shared)
    answer = board.once("POST", CHECK, json.dumps(board.told).encode())
    assert (answer.status, board.nonce != "") == (401, True)
    assert answer.detail
    assert unknown(shared, board)


def replayed(server, headers, body) -> tuple[int, bool]:
    answer = server.request("POST", "/device/v1/report", body, headers)
    return answer.status, "Authentication-Info" in answer.headers


def recorded(board, seq: int = 1) -> tuple[dict, bytes]:
    """A report that was accepted, as an eavesdropper has it."""
    body = json.dumps({"id": "r1", "event": "deferred", "version": "1.1.0", "sequence": 1, "reason": ""}).encode()
    board.seq = seq
    headers = board.signed("POST", "/device/v1/report", body)
    answer = board.server.request("POST", "/device/v1/report", body, headers)
    assert answer.status == 204
    board.learn(headers, answer)
    return headers, body


def test_replayed_request_is_refused_with_a_fresh_nonce(shared):
    board = visitor(shared)
    board.check()
    headers, body = recorded(board)
    assert replayed(shared, headers, body) == (401, True)


def test_replayed_request_is_refused_after_a_restart(start):
    server = start()
    board = server.board(server.group())
    board.check()
    headers, body = recorded(board)
    server.stop()
    assert replayed(start(), headers, body) == (401, True)


def test_lower_seq_of_the_same_nonce_is_refused(shared):
    board = visitor(shared)
    board.check()
    nonce = board.nonce
    recorded(board, seq=5)
    board.nonce, board.seq = nonce, 3
    answer = board.once("POST", CHECK, json.dumps(board.told).encode())
    assert answer.status == 401
    board.nonce, board.seq = nonce, 5
    assert board.once("POST", CHECK, json.dumps(board.told).encode()).status == 204


def test_older_nonce_is_refused_after_a_later_one_was_used(shared):
    board = visitor(shared)
    board.check()
    nonce = board.nonce
    board.check()
    board.check()
    board.nonce, board.seq = nonce, 7
    assert board.once("POST", CHECK, json.dumps(board.told).encode()).status == 401


@pytest.mark.parametrize(("age_s", "status"), [(24 * 3600 + 60, 401), (23 * 3600, 204)])
def test_nonce_ages_out_after_a_day(shared, age_s, status):
    board = visitor(shared)
    secret = bytes.fromhex((shared.data / "nonce.key").read_text())
    board.nonce = auth.make_nonce(secret, board.group, board.device, int((time.time() - age_s) * 1_000_000))
    answer = board.once("POST", CHECK, json.dumps(board.told).encode())
    assert (answer.status, "Authentication-Info" in answer.headers) == (status, True)
    assert unknown(shared, board) == (status == 401)


def test_nonce_is_never_older_even_if_the_clock_goes_back(shared):
    board = visitor(shared)
    secret = bytes.fromhex((shared.data / "nonce.key").read_text())
    ahead_us = int((time.time() + 3600) * 1_000_000)  # issued while the clock was an hour ahead
    board.nonce = auth.make_nonce(secret, board.group, board.device, ahead_us)
    body = json.dumps(board.told).encode()
    assert board.once("POST", CHECK, body).status == 204
    assert int(board.nonce.split(".")[0], 16) > ahead_us
    assert board.once("POST", CHECK, body).status == 204


def test_nonce_survives_a_restart(start):
    server = start()
    board = server.board(server.group())
    board.check()
    server.stop()
    board.server = start()
    assert board.once("POST", CHECK, json.dumps(board.told).encode()).status == 204


def test_nonce_of_another_device_is_refused(server):
    group = server.group()
    first, second = server.board(group), server.board(group, "board-2")
    first.check()
    second.nonce = first.nonce
    assert second.once("POST", CHECK, json.dumps(second.told).encode()).status == 401
    assert seen(server) == 1


def test_device_of_another_group_gets_a_proven_409_and_stays_there(server):
    first, second = server.group("a"), server.group("b")
    server.board(first).check()
    other = server.board(second)
    answer = other.check(version="9.9.9")
    assert (answer.status, "Authentication-Info" in answer.headers) == (409, True)
    shown = server.api("GET", "/devices/board-1").json
    assert (shown["group"], shown["version"]) == (first["id"], "1.0.0")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"colour": "red"}, "unknown field 'colour'"),
        ({"version": None}, "version"),
        ({"version": ""}, "version"),
        ({"version": "1" * 65}, "version"),
        ({"sequence": -1}, "sequence"),
        ({"sequence": 2**32}, "sequence"),
        ({"sequence": 2**70}, "sequence"),
        ({"sequence": "1"}, "sequence"),
        ({"sequence": True}, "sequence"),
        ({"sequence": 1.5}, "sequence"),
        ({"state": "asleep"}, "state"),
        ({"image": "AB" * 32}, "image"),
        ({"image": "ab" * 32 + "\n"}, "image"),
        ({"chip": 65536}, "chip"),
        ({"app": ["kettle"]}, "app"),
    ],
)
def test_wrong_field_of_a_check_in_gets_a_proven_400_by_name_and_changes_nothing(shared, change, reason):
    board = visitor(shared)
    answer = board.check(**change)
    assert (answer.status, "Authentication-Info" in answer.headers) == (400, True)
    assert reason in answer.detail
    assert unknown(shared, board)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 4000, b'{"app": "\\ud800"}'])
def test_body_that_is_no_check_in_gets_a_proven_400(shared, body):
    answer = visitor(shared).send("POST", CHECK, body)
    assert (answer.status, "Authentication-Info" in answer.headers) == (400, True)


def test_missing_field_is_named(shared):
    board = visitor(shared)
    del board.told["chip"]
    assert "chip" in board.check().detail


def test_body_over_4_kib_is_refused(shared):
    board = visitor(shared)
    assert board.send("POST", CHECK, b" " * 4097).status == 413
    assert board.send("POST", CHECK, json.dumps(board.told).encode().ljust(4096)).status == 204


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
def test_body_in_a_broken_encoding_is_refused(shared, encoding):
    board = visitor(shared)
    headers = board.signed("POST", CHECK, b"garbage") | {"Content-Encoding": encoding}
    answer = shared.request("POST", CHECK, b"garbage", headers)
    assert answer.status in (400, 401)
    assert unknown(shared, board)


def test_body_that_inflates_beyond_4_kib_is_refused(shared):
    body = gzip.compress(bytes(1_000_000))
    answer = shared.request("POST", CHECK, body, {"Content-Encoding": "gzip"})
    assert answer.status == 413


def test_check_in_whose_host_is_none_is_refused_and_not_kept(shared):
    board = visitor(shared)
    assert board.keys().status == 200
    body = json.dumps(board.told).encode()
    board.seq += 1
    headers = board.signed("POST", CHECK, body)
    answer = shared.request("POST", CHECK, body, headers | {"Host": "a b"})
    assert (answer.status, "Host" in answer.detail) == (400, True)
    assert shared.api("GET", f"/devices/{board.device}").json["version"] is None
    assert shared.request("POST", CHECK, body, headers).status == 204


def test_keys_tell_when_the_device_itself_was_last_there_and_what_it_runs(shared):
    board = visitor(shared)
    told = board.keys().json
    assert (told["last_seen_at"], told["version"]) == (None, None)
    board.check(version="1.2.0")
    first = board.keys().json
    assert first["last_seen_at"] == shared.api("GET", f"/devices/{board.device}").json["last_seen_at"] is not None
    assert first["version"] == "1.2.0"
    assert board.keys().json == first
    board.check(version="1.2.0")
    assert board.keys().json["last_seen_at"] > first["last_seen_at"]


def test_unknown_event_is_refused(shared):
    board = visitor(shared)
    answer = board.report("exploded", "1.1.0", 1)
    assert (answer.status, "event" in answer.detail) == (400, True)


def test_unknown_path_and_method_get_a_proven_problem(shared):
    board = visitor(shared)
    for method, path, status in (("GET", "/device/v1/other", 404), ("GET", CHECK, 405)):
        answer = board.send(method, path, b"")
        assert (answer.status, "Authentication-Info" in answer.headers) == (status, True)
        assert answer.detail


def test_reason_that_would_drive_a_terminal_is_kept_harmless(server):
    board = server.board(server.group())
    assert board.report("failed", "1.1.0", 1, "\x1b[2J\x00").status == 204
    assert server.api("GET", "/devices/board-1").json["last_result"]["reason"] == "\ufffd[2J\ufffd"


def test_log_of_a_server_that_was_used_and_abused_holds_no_secret(server):
    group = server.group()
    board = server.board(group)
    server.publish(make_image())
    transfer = board.offer()["transfer"]
    server.request("GET", transfer)
    server.request("GET", "/api/v1/groups", headers={"Authorization": "Bearer not-a-token"})
    log = server.stop()
    for secret in (group["token"], board.key.hex(), transfer, "not-a-token", "Authorization"):
        assert secret not in log

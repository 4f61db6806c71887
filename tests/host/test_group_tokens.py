"""A group's tokens: one more, a new one in place of the others, the list, and the end of one."""

import pytest

from twinslot_host.config import GROUP_TOKENS_LIMIT
from twinslot_host.domain.caller import Caller
from twinslot_host.flows import enrol, group_tokens
from twinslot_host.handlers import device_auth

from .inside import clocked
from .test_devices_auth import is_challenge, seen


def tokens_of(server, group) -> list[dict]:
    return server.api("GET", f"/groups/{group['id']}/tokens").json["items"]


def test_revoked_token_is_challenged_at_once_and_a_second_one_still_works(server):
    group = server.group()
    board = server.board(group)
    assert board.check().status == 204
    answer = server.api("POST", f"/groups/{group['id']}/tokens")
    assert (answer.status, answer.json.keys()) == (201, {"id", "token", "created_at"})
    (first,) = (each["id"] for each in tokens_of(server, group) if each["id"] != answer.json["id"])
    assert server.api("DELETE", f"/groups/{group['id']}/tokens/{first}").status == 204
    assert is_challenge(board.check())
    assert server.board(group | {"token": answer.json["token"]}).check().status == 204


def test_last_token_can_be_revoked_and_again(server):
    group = server.group()
    (only,) = tokens_of(server, group)
    for _ in range(2):
        assert server.api("DELETE", f"/groups/{group['id']}/tokens/{only['id']}").status == 204
    assert is_challenge(server.board(group).check())
    assert tokens_of(server, group)[0]["revoked_at"].endswith("Z")


def test_revocation_outlives_a_restart(start):
    server = start()
    group = server.group()
    server.api("DELETE", f"/groups/{group['id']}/tokens/{tokens_of(server, group)[0]['id']}")
    server.stop()
    assert is_challenge(start().board(group).check())


def test_list_tells_ids_and_dates_and_nothing_secret(shared):
    group = shared.group()
    second = shared.api("POST", f"/groups/{group['id']}/tokens").json
    answer = shared.api("GET", f"/groups/{group['id']}/tokens")
    assert [each["id"] for each in answer.json["items"]][0] == second["id"]
    shown = {"id", "created_at", "expires_at", "revoked_at", "devices"}
    assert (answer.json["total"], answer.json["items"][1].keys()) == (2, shown)
    assert [each["revoked_at"] for each in answer.json["items"]] == [None, None]
    for secret in (group["token"], second["token"]):
        assert secret.encode() not in answer.body


def test_more_tokens_than_a_group_can_have_are_refused(shared):
    group = shared.group()
    answers = [shared.api("POST", f"/groups/{group['id']}/tokens") for _ in range(GROUP_TOKENS_LIMIT)]
    assert [answer.status for answer in answers] == [201] * (GROUP_TOKENS_LIMIT - 1) + [409]
    assert "revoke one" in answers[-1].detail
    assert len(tokens_of(shared, group)) == GROUP_TOKENS_LIMIT


@pytest.mark.parametrize("token", ["0", "x", "-1", "1.0", "9" * 15, "9" * 40, "%C2%B2"])
def test_token_that_the_group_does_not_have_is_404(shared, token):
    group = shared.group()
    assert shared.api("DELETE", f"/groups/{group['id']}/tokens/{token}").status == 404
    assert tokens_of(shared, group)[0]["revoked_at"] is None


def test_token_of_another_group_is_404_and_stays(shared):
    group, other = shared.group(), shared.group()
    (token,) = tokens_of(shared, other)
    assert shared.api("DELETE", f"/groups/{group['id']}/tokens/{token['id']}").status == 404
    assert tokens_of(shared, other)[0]["revoked_at"] is None


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("POST", "", None), ("GET", "", None), ("DELETE", "/1", None), ("POST", "/rotate", {"grace_s": 0})],
)
def test_tokens_of_an_unknown_group_are_404(shared, method, path, body):
    assert shared.api(method, f"/groups/{'0' * 24}/tokens{path}", body).status == 404


def rotate(server, group, grace_s: int) -> dict:
    """The group as a board knows it that is provisioned with the new token."""
    answer = server.api("POST", f"/groups/{group['id']}/tokens/rotate", {"grace_s": grace_s})
    assert (answer.status, answer.json.keys()) == (201, {"id", "token", "created_at"})
    return group | {"token": answer.json["token"]}


def test_after_a_rotation_both_tokens_work_until_the_grace_period_is_over_by_the_servers_clock(data):
    with clocked(data) as server:
        group = server.group()
        old, new = server.board(group, "old"), server.board(rotate(server, group, 600), "new")
        for later_s in (0, 599):
            server.clock.now_s += later_s
            assert [board.check().status for board in (old, new)] == [204, 204]
        server.clock.now_s += 1
        assert is_challenge(old.check())
        assert new.check().status == 204
        assert is_challenge(old.report("deferred", "1.1.0", 1))
        assert is_challenge(server.board(group, "stranger").keys())


def test_rotation_without_grace_ends_the_old_token_at_once(shared):
    group = shared.group()
    new = rotate(shared, group, 0)
    assert is_challenge(shared.board(group, "rotated").check())
    assert shared.board(new, "rotated").check().status == 204


def test_earlier_expiry_stays_and_the_revoked_stays_revoked(shared):
    group = shared.group()
    first = tokens_of(shared, group)[0]["id"]
    second = rotate(shared, group, 100)
    before = {each["id"]: each["expires_at"] for each in tokens_of(shared, group)}
    shared.api("DELETE", f"/groups/{group['id']}/tokens/{tokens_of(shared, second)[0]['id']}")
    rotate(shared, group, 100_000)
    newest, revoked, oldest = tokens_of(shared, group)
    assert (oldest["id"], oldest["expires_at"]) == (first, before[first])
    assert (revoked["expires_at"], revoked["revoked_at"][-1]) == (None, "Z")
    assert (newest["expires_at"], newest["revoked_at"]) == (None, None)
    rotate(shared, group, 5)
    assert tokens_of(shared, group)[-1]["expires_at"] < before[first]


def test_rotation_outlives_a_restart(start):
    server = start()
    group = server.group()
    new = rotate(server, group, 0)
    server.stop()
    server = start()
    assert is_challenge(server.board(group).check())
    assert server.board(new).check().status == 204


@pytest.mark.parametrize(
    "body", [{}, {"grace_s": -1}, {"grace_s": 31536001}, {"grace_s": "1"}, {"grace_s": 1.5}, {"grace_s": None}]
)
def test_wrong_grace_is_refused_by_name_and_changes_nothing(shared, body):
    group = shared.group()
    answer = shared.api("POST", f"/groups/{group['id']}/tokens/rotate", body)
    assert (answer.status, "grace_s" in answer.detail) == (400, True)
    (token,) = tokens_of(shared, group)
    assert token["expires_at"] is None


def test_rotation_that_would_leave_too_many_valid_tokens_is_refused_and_none_expires(shared):
    group = shared.group()
    for _ in range(GROUP_TOKENS_LIMIT - 1):
        shared.api("POST", f"/groups/{group['id']}/tokens")
    answer = shared.api("POST", f"/groups/{group['id']}/tokens/rotate", {"grace_s": 60})
    assert (answer.status, "revoke one" in answer.detail) == (409, True)
    assert [each["expires_at"] for each in tokens_of(shared, group)] == [None] * GROUP_TOKENS_LIMIT
    rotate(shared, group, 0)


def test_list_tells_how_many_devices_last_proved_themselves_with_each_token(shared):
    group = shared.group()
    boards = [shared.board(group, f"{group['id']}-{number}") for number in range(3)]
    for board in boards:
        board.check()
    new = rotate(shared, group, 3600)
    assert [each["devices"] for each in tokens_of(shared, group)] == [0, 3]
    shared.board(new, boards[0].device).check()
    assert [each["devices"] for each in tokens_of(shared, group)] == [1, 2]
    boards[0].check()
    assert [each["devices"] for each in tokens_of(shared, group)] == [0, 3]


def test_rotation_is_in_the_audit_without_the_token(server):
    group = server.group()
    new = rotate(server, group, 7)
    audit = server.api("GET", "/audit")
    (line,) = (each for each in audit.json["items"] if each["action"] == "group.token.rotate")
    assert (line["subject"], line["detail"]["grace_s"]) == (f"group:{group['id']}", 7)
    assert new["token"].encode() not in audit.body
    assert new["token"] not in server.stop()


async def deleted(services, visitor) -> None:
    await enrol.remove(services, Caller(visitor.group.account, "operator", frozenset()), visitor.proved)


async def revoked(services, visitor) -> None:
    caller = Caller(visitor.group.account, "operator", frozenset())
    await group_tokens.revoke(services, caller, visitor.proved, str(visitor.token))


@pytest.mark.parametrize("ended", [deleted, revoked])
def test_token_that_ends_after_it_proved_a_request_is_401_and_leaves_no_device(data, monkeypatch, ended):
    prove = device_auth.prove

    async def proven_last(services, *request):
        visitor = await prove(services, *request)
        await ended(services, visitor)
        return visitor

    with clocked(data) as server:
        board = server.board(server.group())
        fresh = board.once("GET", "/device/v1/keys", b"")
        monkeypatch.setattr(device_auth, "prove", proven_last)
        answer = board.once("GET", "/device/v1/keys", b"")
        assert (fresh.status, answer.status, answer.headers["WWW-Authenticate"]) == (401, 401, "Twinslot")
        assert "not valid any more" in answer.detail
        assert seen(server) == 0

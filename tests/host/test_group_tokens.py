"""A group's tokens: one more, the list, and the end of one."""

import pytest

from twinslot_host.config import GROUP_TOKENS_LIMIT

from .test_devices_auth import is_challenge


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
    assert (answer.json["total"], answer.json["items"][1].keys()) == (2, {"id", "created_at", "revoked_at"})
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


@pytest.mark.parametrize(("method", "path"), [("POST", ""), ("GET", ""), ("DELETE", "/1")])
def test_tokens_of_an_unknown_group_are_404(shared, method, path):
    assert shared.api(method, f"/groups/{'0' * 24}/tokens{path}").status == 404

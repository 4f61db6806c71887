"""The device's side of authentication, against the shared vectors and a real server."""

import json
from pathlib import Path

import pytest

from twinslot_tools import device_auth, provision
from twinslot_tools.errors import ServerRefused, UsageError

CASES = json.loads((Path(__file__).parents[1] / "vectors" / "auth.json").read_text())["cases"]


@pytest.mark.parametrize("case", CASES)
def test_keys_and_macs_are_the_vectors(case) -> None:
    key = device_auth.device_key(case["token"], case["device"])
    mac = device_auth.request_mac(
        key,
        method=case["method"],
        path=case["path"],
        nonce=case["nonce"],
        seq=case["seq"],
        cnonce=case["cnonce"],
        body=bytes.fromhex(case["body"]),
    )
    answer = case["answer"]
    fields = {"nonce": answer["nonce"], "time": str(answer["time"]), "poll": str(answer["poll"])}
    proof = device_auth.answer_mac(
        key, status=case["status"], request=mac, fields=fields, body=bytes.fromhex(answer["body"])
    )
    assert (key.hex(), mac, proof) == (case["device_key"], case["request_mac"], case["response_mac"])


async def test_group_is_told_to_whoever_proves_its_token(server, signed_in, new_group) -> None:
    group = await provision.ask_group(signed_in, new_group["id"], new_group["token"], "kettle-1")
    assert group.app == "kettle" and len(group.trusted) == 1
    settings = provision.configuration(group, "kettle-1", app="kettle", version="1.0.0", poll_s=1, trial_s=20)
    assert new_group["token"] not in json.dumps(settings)


async def test_wrong_token_is_refused(signed_in, new_group) -> None:
    with pytest.raises(ServerRefused) as refused:
        await provision.ask_group(signed_in, new_group["id"], "0" * 32, "kettle-1")
    assert refused.value.status == 401


async def test_id_that_devices_cannot_have_is_a_usage_error(signed_in, new_group) -> None:
    with pytest.raises(UsageError):
        await provision.ask_group(signed_in, new_group["id"], new_group["token"], 'a"b')


@pytest.fixture
def new_group(twinslot, signed_in, request):
    return twinslot("group", "create", request.node.name, "--app", "kettle", "--json").document

"""A specification's way to a board, and back when the application does not cope with it: real boards, and a server that
signs what the test says. Each test ends by looking at what NVS and the slots hold."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import rsa

from twinslot_sim import bootloader
from twinslot_sim.nor import Nor
from twinslot_sim.nvs import Nvs

from .configuring import NEW, OLD, Kettle, app, in_force, in_nvs, said
from .impostor import Impostor, manifest, sign
from .lab import Bench, Flash, own_image

VALID = 2


@pytest.fixture(scope="session")
def owner() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 3072)


@pytest_asyncio.fixture
async def kettle(owner: rsa.RSAPrivateKey, tmp_path: Path) -> AsyncIterator[Kettle]:
    async with Impostor() as server:
        yield Kettle(server, owner, tmp_path)


def with_habit(habit: str, **fields: object) -> bytes:
    return json.dumps({"habit": habit, **fields}).encode()


async def test_specification_is_given_proven_confirmed_and_in_force_after_a_power_cycle(kettle: Kettle) -> None:
    flash = kettle.flash()
    kettle.offer(NEW)
    async with Bench(flash) as bench:
        await bench.confirmed("1.200.0")
        await bench.until(lambda: kettle.server.checks[-1]["state"] == "idle" and len(kettle.server.checks) > 3)
    new = NEW.decode()
    expected = ["at start null", f"at start {new}", f"configured {new}", "self-test"]
    assert said(bench, "at start", "configured", "self-test") == expected
    assert bench.board.boots == 2
    last = kettle.server.checks[-1]
    assert (last["version"], last["confirmed_version"], last["sequence"], last["image"]) == (
        *("1.200.0", "1.200.0"),
        *(200, None),
    )
    async with Bench(flash) as bench:
        await bench.says("configured")
    assert said(bench, "at start", "configured") == [f"at start {new}", f"configured {new}"]
    assert in_force(flash) == ("1.200.0", NEW)
    assert in_nvs(flash)["spec_state"] == VALID
    assert (Flash(flash).boot, Flash(flash).states) == ("ota_0", {"ota_0": "VALID"})
    assert Flash(flash).is_erased("ota_1")


async def test_next_specification_lies_in_the_other_place(kettle: Kettle) -> None:
    flash = await kettle.configured()
    kettle.offer(NEW)
    async with Bench(flash) as bench:
        await bench.confirmed("1.200.0")
    assert (in_nvs(flash)["spec0"], in_nvs(flash)["spec1"]) == (OLD, NEW)
    kettle.offer(b"[3]", 300)
    async with Bench(flash) as bench:
        await bench.confirmed("1.300.0")
    assert (in_nvs(flash)["spec0"], in_nvs(flash)["spec1"]) == (b"[3]", NEW)
    assert in_force(flash) == ("1.300.0", b"[3]")


async def test_largest_specifications_are_confirmed_one_after_another_in_128_kib_beside_what_wifi_keeps(
    kettle: Kettle,
) -> None:
    wifi = "from esp32 import NVS\nNVS('phy').set_blob('cal', bytes(1904))\nNVS('wifi').set_blob('all', bytes(3500))"
    flash = kettle.flash(start=app("1.0.0", wifi))
    for sequence, letter in ((100, "a"), (200, "b"), (300, "c"), (400, "d")):
        largest = json.dumps({"text": letter * 2036}).encode()
        assert len(largest) == 2048
        kettle.offer(largest, sequence, link="https://kettles.example/" + "f" * 480 if letter == "a" else "")
        async with Bench(flash) as bench:
            await bench.confirmed(f"1.{sequence}.0")
        assert "Error" not in bench.log
        assert in_force(flash) == (f"1.{sequence}.0", largest)


@pytest.mark.parametrize(
    ("habit", "reason", "trial_s"),
    [
        ("crash", "crash", 8),
        ("hang", "watchdog", 4),
        ("raise", "configure", 300),  # at once: nobody waits for the deadline
        ("wait", "expired", 2),
    ],
)
async def test_specification_that_does_not_work_is_rolled_back_and_not_tried_again(
    habit: str, reason: str, trial_s: int, kettle: Kettle
) -> None:
    flash = await kettle.configured(trial_s=trial_s)
    kettle.offer(with_habit(habit))
    async with Bench(flash) as bench:
        await bench.says(f"rolled back 1.200.0: {reason}")
        await bench.until(lambda: kettle.reported("refused"))
    assert kettle.reported("rolled_back") == [("1.200.0", reason)]
    assert kettle.reported("refused")[0] == ("1.200.0", "failed_before")
    assert bench.board.boots == 3
    assert said(bench, "at start", "configured")[-2:] == [f"at start {OLD.decode()}", f"configured {OLD.decode()}"]
    assert "self-test" not in bench.log
    assert in_force(flash) == ("1.100.0", OLD)


async def test_specification_with_which_the_server_is_not_reached_is_rolled_back(kettle: Kettle) -> None:
    flash = await kettle.configured(trial_s=3)
    kettle.offer(NEW)
    async with Bench(flash) as bench:
        await bench.says("restarting into 1.200.0")
        kettle.server.forge_mac = True
        await bench.says("rolled back 1.200.0: expired")
    assert in_force(flash) == ("1.100.0", OLD)


async def test_specification_is_tried_again_after_a_power_cut_and_confirmed(kettle: Kettle) -> None:
    flash = await cut_off_in_trial(kettle)
    kettle.server.forge_mac = False
    async with Bench(flash) as bench:
        await bench.confirmed("1.200.0")
    assert said(bench, "at start") == [f"at start {OLD.decode()}", f"at start {NEW.decode()}"]
    assert "cut_short" in bench.log
    assert "downloading" not in bench.log
    assert in_force(flash) == ("1.200.0", NEW)


async def test_trial_that_power_cuts_end_is_armed_three_times_again_and_no_more(kettle: Kettle) -> None:
    flash = await cut_off_in_trial(kettle)
    for _ in range(3):
        async with Bench(flash) as bench:
            await bench.says("cut_short")
            await bench.says("trial of 1.200.0")
    async with Bench(flash) as bench:
        await bench.says("rolled back 1.200.0: power")
    assert in_force(flash) == ("1.100.0", OLD)


async def cut_off_in_trial(kettle: Kettle) -> Path:
    """The flash of a board whose power failed in its trial of NEW, while the server was not to be reached."""
    flash = await kettle.configured()
    kettle.offer(NEW)
    async with Bench(flash) as bench:
        await bench.says("restarting into 1.200.0")
        kettle.server.forge_mac = True
        await bench.says("trial of 1.200.0")
    return flash


async def test_soft_reset_does_not_end_the_trial_of_a_specification(kettle: Kettle) -> None:
    flash = kettle.flash()
    kettle.offer(with_habit("soft reset"))
    async with Bench(flash) as bench:
        await bench.confirmed("1.200.0")
    assert "soft reboot" in bench.log
    assert bench.board.boots == 2
    assert in_force(flash) == ("1.200.0", with_habit("soft reset"))


@pytest.mark.parametrize(
    ("what", "named", "brought"),
    [
        ("none", NEW, None),
        ("another", NEW, OLD),
        ("one bit changed", NEW, NEW.replace(b"2", b"3")),
        ("one byte more", NEW, NEW + b" "),
        ("not JSON", b"{litres: 2}", b"{litres: 2}"),
        ("JSON cut short", b'{"litres": 2, "un', b'{"litres": 2, "un'),
        ("not base64", NEW, "%"),
        ("not text", NEW, 2),
    ],
)
async def test_specification_that_is_not_what_was_signed_is_refused_and_nothing_is_written(
    what: str, named: bytes, brought: bytes | str | int | None, kettle: Kettle
) -> None:
    flash = await kettle.configured()
    before = in_nvs(flash)
    sent = base64.b64encode(brought).decode() if isinstance(brought, bytes) else brought
    kettle.propose(manifest(b"", named, version="1.200.0", sequence=200), specification=sent, transfer=None)
    async with Bench(flash) as bench:
        await bench.until(lambda: kettle.reported("refused"))
    assert kettle.reported("refused")[0] == ("1.200.0", "specification"), what
    assert bench.board.boots == 1
    assert "spec1" not in in_nvs(flash)
    assert {**in_nvs(flash), "state": b""} == {**before, "state": b""}
    assert in_force(flash) == ("1.100.0", OLD)


@pytest.mark.parametrize("size", [0, 2049])
async def test_specification_of_a_forbidden_size_is_refused_and_nothing_is_written(size: int, kettle: Kettle) -> None:
    flash = kettle.flash()
    kettle.offer(b"1" * size)
    async with Bench(flash) as bench:
        await bench.until(lambda: kettle.reported("refused"))
    assert kettle.reported("refused")[0] == ("0.0.0", "format")
    assert set(in_nvs(flash)) == {"state"}


@pytest.mark.parametrize("at", [5, 8, -1, -33, -34, None])
async def test_specification_whose_manifest_or_signature_was_changed_is_refused(at: int | None, kettle: Kettle) -> None:
    flash = kettle.flash()
    kettle.offer(NEW)
    assert kettle.server.offer
    data, signature = (bytearray(part) for part in kettle.server.offer)
    (signature if at is None else data)[at or 0] ^= 1
    kettle.server.offer = bytes(data), bytes(signature)
    async with Bench(flash) as bench:
        await bench.until(lambda: kettle.reported("refused"))
    assert kettle.reported("refused")[0] == ("0.0.0", "signature")
    assert set(in_nvs(flash)) == {"state"}


async def test_specification_signed_by_another_is_refused(kettle: Kettle) -> None:
    flash = kettle.flash()
    kettle.offer(NEW)
    assert kettle.server.offer
    data, _ = kettle.server.offer
    kettle.server.offer = data, sign(rsa.generate_private_key(65537, 3072), data)
    async with Bench(flash) as bench:
        await bench.until(lambda: kettle.reported("refused"))
    assert kettle.reported("refused")[0] == ("0.0.0", "signature")
    assert set(in_nvs(flash)) == {"state"}


async def test_older_specification_is_refused_after_a_newer_one_was_confirmed(kettle: Kettle) -> None:
    flash = await kettle.configured()
    kettle.offer(NEW, 99)
    async with Bench(flash) as bench:
        await bench.until(lambda: kettle.reported("refused"))
    assert kettle.reported("refused")[0] == ("1.99.0", "sequence")
    assert in_force(flash) == ("1.100.0", OLD)


async def test_image_and_specification_are_proven_and_confirmed_together(kettle: Kettle) -> None:
    flash = await kettle.configured()
    image = app("2.0.0", "print('image 2')")
    kettle.offer(NEW, image=image)
    async with Bench(flash) as bench:
        await bench.confirmed("1.200.0")
    expected = [f"at start {NEW.decode()}", "image 2", f"configured {NEW.decode()}"]
    assert said(bench, "at start", "image 2", "configured")[-3:] == expected
    assert (in_force(flash), Flash(flash).boot) == (("1.200.0", NEW), "ota_1")
    assert Flash(flash).holds("ota_1", image)


@pytest.mark.parametrize("fails", ["image", "specification"])
async def test_image_and_specification_are_rolled_back_together(fails: str, kettle: Kettle) -> None:
    flash = await kettle.configured()
    line = "if at_start != {'litres': 1}:\n    raise OSError('of the image')" if fails == "image" else ""
    kettle.offer(NEW if fails == "image" else with_habit("raise"), image=app("2.0.0", line))
    async with Bench(flash) as bench:
        await bench.says("rolled back 1.200.0: " + ("crash" if fails == "image" else "configure"))
        await bench.until(lambda: kettle.reported("refused"))
    assert said(bench, "configured")[-1] == f"configured {OLD.decode()}"
    assert (in_force(flash), Flash(flash).boot) == (("1.100.0", OLD), "ota_0")


async def test_image_alone_keeps_the_specification_and_takes_none_that_nobody_signed(kettle: Kettle) -> None:
    flash = await kettle.configured()
    kettle.offer(None, image=app("2.0.0"), specification=base64.b64encode(NEW).decode(), link="http://127.0.0.1/")
    async with Bench(flash) as bench:
        await bench.confirmed("1.200.0")
    assert set(said(bench, "at start", "configured")) == {f"at start {OLD.decode()}", f"configured {OLD.decode()}"}
    assert (in_force(flash), Flash(flash).boot) == (("1.200.0", OLD), "ota_1")


async def test_image_that_does_not_cope_with_the_specification_in_force_is_rolled_back(kettle: Kettle) -> None:
    flash = await kettle.configured(trial_s=300)
    kettle.offer(None, image=app("2.0.0", "habit = 'raise'"))
    async with Bench(flash) as bench:
        await bench.says("rolled back 1.200.0: configure")
    assert (in_force(flash), Flash(flash).boot) == (("1.100.0", OLD), "ota_0")


async def test_specification_after_an_image_names_that_image(kettle: Kettle) -> None:
    flash = kettle.flash()
    image = app("2.0.0")
    kettle.offer(None, 100, image=image)
    async with Bench(flash) as bench:
        await bench.confirmed("1.100.0")
        kettle.offer(NEW)
        await bench.confirmed("1.200.0")
        await bench.until(lambda: kettle.server.checks[-1]["version"] == "1.200.0")
    kept = json.loads(in_nvs(flash)["state"])["confirmed"]
    assert kettle.server.checks[-1]["image"] == kept["sha256"] == json_sha256(image)
    assert (in_force(flash), Flash(flash).boot) == (("1.200.0", NEW), "ota_1")


def json_sha256(image: bytes) -> str:
    return manifest(image)[20:52].hex()


@pytest.mark.parametrize(
    ("specification", "in_trial"),
    [
        (b'{"a": 1}', {"a": 1, "link": "http://127.0.0.1/file"}),
        (b'{"link": "own"}', {"link": "http://127.0.0.1/file"}),
        (b"[1]", [1]),
    ],
)
async def test_link_is_seen_in_the_trial_and_gone_after_it(
    specification: bytes, in_trial: object, kettle: Kettle
) -> None:
    flash = kettle.flash()
    kettle.offer(specification, link="http://127.0.0.1/file")
    async with Bench(flash) as bench:
        await bench.confirmed("1.200.0")
    seen = [json.loads(line.split(" ", 1)[1]) for line in said(bench, "configured")]
    assert seen == [in_trial]
    async with Bench(flash) as bench:
        await bench.says("configured")
    seen = [json.loads(line.split(" ", 1)[1]) for line in said(bench, "configured")]
    assert seen == [json.loads(specification)]
    assert b"127.0.0.1" not in in_nvs(flash)["state"]


@pytest.mark.parametrize(("habit", "error"), [("raise later", "ValueError not so"), ("wait later", "TimeoutError")])
async def test_hook_that_fails_outside_a_trial_leaves_the_agent_running(habit: str, error: str, kettle: Kettle) -> None:
    flash = await kettle.configured(with_habit(habit), trial_s=8)
    async with Bench(flash) as bench:
        await bench.says(f"configure: {error}")
        kettle.offer(NEW)
        await bench.confirmed("1.200.0")
    assert in_force(flash) == ("1.200.0", NEW)


async def test_application_that_only_a_specification_mends_leaves_safe_mode_with_it(kettle: Kettle) -> None:
    flash = kettle.flash(start=app("1.0.0", "if at_start is None:\n    raise OSError('not configured')"))
    async with Bench(flash) as bench:
        await bench.says("safe mode")
        kettle.offer(NEW)
        await bench.confirmed("1.200.0")
        await bench.until(lambda: kettle.server.checks[-1]["state"] == "idle")
    assert bench.log.count("OSError: not configured") == 5
    assert in_force(flash) == ("1.200.0", NEW)


async def test_application_without_asyncio_is_configured_by_update_now(kettle: Kettle) -> None:
    source = """
import json, time, twinslot
def configure(specification):
    print("configured", json.dumps(specification))
def main():
    while True:
        print("reached", twinslot.update_now(configure=configure))
        time.sleep(1)
"""
    flash = kettle.flash(start=own_image("1.0.0", source))
    async with Bench(flash) as bench:
        await bench.says("reached True")
        kettle.offer(NEW)
        await bench.says("restarting into 1.200.0")
        kettle.server.offer = None
        await bench.confirmed("1.200.0")
        await bench.says("restarting, to end the trial's watchdog")
        await bench.says("1.200.0, settled\n(.*\n)*reached True")
    assert said(bench, "configured") == [f"configured {NEW.decode()}"] * 2
    assert in_force(flash) == ("1.200.0", NEW)


async def test_board_whose_boot_file_knows_no_specifications_gives_up_and_stays(kettle: Kettle) -> None:
    flash = kettle.flash(files={"/boot.py": b"\n"})
    kettle.offer(NEW)
    async with Bench(flash) as bench:
        await bench.says("rolled back 1.200.0")
        await bench.until(lambda: kettle.reported("refused"))
    assert bench.board.boots == 5
    assert set(said(bench, "at start")) == {"at start null"}
    assert in_force(flash) == ("1.0.0", None)


async def test_trial_that_fills_nvs_and_crashes_is_ended_all_the_same(kettle: Kettle) -> None:
    fills = """
from esp32 import NVS
nvs = NVS("app")
for number in range(400):
    try:
        nvs.set_i32("k%d" % number, number) if habit == "fill" else nvs.erase_key("k%d" % number)
    except OSError as error:
        if habit == "fill":
            print("full at", number, error.args[1])
            raise
        break
"""
    flash = await kettle.configured(start=app("1.0.0", fills))
    kettle.offer(with_habit("fill"))
    async with Bench(flash) as bench:
        await bench.says("rolled back 1.200.0: crash")
    assert "ESP_ERR_NVS_NOT_ENOUGH_SPACE" in bench.log
    assert in_force(flash) == ("1.100.0", OLD)


SPOILS = """
from esp32 import NVS
from twinslot import hw
save = hw.save_record
def spoil(value):
    save(value)
    if value["trial"] and not value["trial"]["arms"] and not spoilt:
        spoilt.append(NVS("twinslot").erase_key("spec1"))
spoilt = []
hw.save_record = spoil
"""
LOSES = """
from twinslot import hw
lost = []
class Lossy(hw.NVS):
    def set_blob(self, key, value):
        if key == "spec1" and not lost:
            lost.append(key)
            {what}
        super().set_blob(key, value)
hw.NVS = Lossy
"""


async def test_specification_lost_between_record_and_switch_is_never_tried_and_is_fetched_again(kettle: Kettle) -> None:
    flash = await kettle.configured(start=app("1.0.0", SPOILS))
    kettle.offer(NEW)
    async with Bench(flash) as bench:
        await bench.says("failed 1.200.0: specification")
        assert bench.board.boots == 1
        await bench.confirmed("1.200.0")
    assert ("1.200.0", "specification") in kettle.reported("failed")
    assert in_force(flash) == ("1.200.0", NEW)


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("value = b'[]'", "NVS lost the specification"),
        ("raise OSError(-4357, 'ESP_ERR_NVS_NOT_ENOUGH_SPACE')", "NVS did not take the specification"),
    ],
)
async def test_specification_that_nvs_does_not_hold_is_not_switched_to_and_is_tried_again(
    what: str, reason: str, kettle: Kettle
) -> None:
    flash = await kettle.configured(start=app("1.0.0", LOSES.format(what=what)))
    kettle.offer(NEW)
    async with Bench(flash) as bench:
        await bench.says(f"download failed: {reason}")
        assert bench.board.boots == 1
        await bench.confirmed("1.200.0")
    assert in_force(flash) == ("1.200.0", NEW)


async def test_confirmed_specification_that_was_lost_does_not_stand_in_the_way_of_an_image(kettle: Kettle) -> None:
    flash = await kettle.configured()
    with Nor(flash) as nor:
        partition = bootloader.nvs_partition(nor)
        Nvs(nor, partition.offset, partition.size).erase_key("twinslot", "spec0")
    kettle.offer(None, image=app("2.0.0"))
    async with Bench(flash) as bench:
        await bench.confirmed("1.200.0")
    assert set(said(bench, "at start", "configured")) == {"at start null"}
    assert Flash(flash).boot == "ota_1"


async def test_state_that_a_soft_reset_left_pending_is_settled(kettle: Kettle) -> None:
    pending = """
if machine.reset_cause() != machine.SOFT_RESET:
    from esp32 import NVS
    NVS("twinslot").set_i32("spec_state", 1)
    machine.soft_reset()
"""
    flash = kettle.flash(start=app("1.0.0", pending))
    async with Bench(flash) as bench:
        await bench.says("slot 0, 1.0.0, astray")
        await bench.until(lambda: len(kettle.server.checks) > 1)
    assert in_nvs(flash)["spec_state"] == VALID
    assert kettle.server.reports == []
    assert in_force(flash) == ("1.0.0", None)


async def test_record_from_before_there_were_specifications_is_read(kettle: Kettle) -> None:
    flash = kettle.flash()
    async with Bench(flash) as bench:
        await bench.says("configured|settled")
    with Nor(flash) as nor:
        partition = bootloader.nvs_partition(nor)
        nvs = Nvs(nor, partition.offset, partition.size)
        record = json.loads(nvs.get_blob("twinslot", "state"))
        del record["confirmed"]["specification"]
        nvs.set_blob("twinslot", "state", json.dumps(record).encode())
    kettle.offer(NEW)
    async with Bench(flash) as bench:
        await bench.confirmed("1.200.0")
    assert in_force(flash) == ("1.200.0", NEW)

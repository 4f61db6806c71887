"""Which deltas have their turn, which are worth one, and which make room: the rules by themselves."""

import random

from twinslot_host.config import (
    DELTA_ACCOUNT_BYTES,
    DELTA_AGAIN_S,
    DELTA_BASES,
    DELTA_KEPT_S,
    DELTA_S,
    DELTA_SPARED_S,
    DELTAS_WAITING,
)
from twinslot_host.deltas import Deltas, Wish
from twinslot_host.domain.deltas import Kept, Pair, is_common, is_due, making_room

from ..pages import DOCS

DAY_MS = 24 * 3600 * 1000


def wish(account: str, image: str) -> Wish:
    return Wish(1, Pair(account, image, "base"))


async def taken(deltas: Deltas, count: int) -> str:
    """The images of the next wishes, each done before the next."""
    found = ""
    for _ in range(count):
        each = await deltas.next()
        found += each.pair.image
        deltas.done(each)
    return found


async def test_accounts_take_turns_however_much_one_of_them_has_asked_for():
    deltas = Deltas()
    for image in "abcd":
        deltas.want(wish("first", image))
    in_work = await deltas.next()
    for account, image in (("second", "x"), ("third", "y"), ("second", "z")):
        deltas.want(wish(account, image))
    deltas.done(in_work)
    assert await taken(deltas, 6) == "xybzcd"
    deltas.want(wish("third", "e"))
    assert await taken(deltas, 1) == "e"


async def test_wishes_beyond_an_accounts_part_are_dropped_and_those_of_others_are_not():
    deltas = Deltas()
    for number in range(DELTAS_WAITING + 5):
        deltas.want(wish("first", f"{number:02}"))
    deltas.want(wish("second", "zz"))
    wanted = [f"{number:02}" for number in range(DELTAS_WAITING)]
    assert await taken(deltas, DELTAS_WAITING + 1) == "".join([wanted[0], "zz", *wanted[1:]])
    deltas.want(wish("first", "again"))
    assert await taken(deltas, 1) == "again"


def test_pair_that_comes_to_nothing_rests_twice_as_long_each_time():
    for failures, rest_s in ((1, DELTA_AGAIN_S), (2, 2 * DELTA_AGAIN_S), (10, 512 * DELTA_AGAIN_S)):
        assert not is_due(failures, 5000, 5000 + int(rest_s * 1000) - 1)
        assert is_due(failures, 5000, 5000 + int(rest_s * 1000))


def test_bases_that_most_devices_run_are_the_common_ones():
    devices = {f"{number:02}": 100 - number for number in range(DELTA_BASES)} | {"rare": 1, "more": 200}
    assert [is_common(each, devices) for each in ("more", "00", "rare", "never seen")] == [True, True, False, False]
    assert sum(is_common(each, devices) for each in devices) == DELTA_BASES


def test_room_is_made_by_the_deltas_that_were_offered_longest_ago_and_never_by_those_in_use():
    seed = random.randrange(1 << 30)
    print("seed", seed)
    some, now_ms = random.Random(seed), 1000 * DAY_MS
    spared_ms = now_ms - DELTA_SPARED_S * 1000
    for _ in range(200):
        kept = [
            Kept(Pair("account", "image", str(number)), str(number), some.randrange(DELTA_ACCOUNT_BYTES // 5), at_ms)
            for number, at_ms in enumerate(some.sample(range(now_ms - 3 * DAY_MS, now_ms), some.randrange(12)))
        ]
        size = some.randrange(DELTA_ACCOUNT_BYTES // 2)
        going = making_room(kept, size, now_ms)
        in_use = sum(each.size_bytes for each in kept if each.at_ms > spared_ms)
        if going is None:
            assert in_use + size > DELTA_ACCOUNT_BYTES
            continue
        staying = [each for each in kept if each not in going]
        assert sum(each.size_bytes for each in staying) + size <= DELTA_ACCOUNT_BYTES
        assert all(each.at_ms <= spared_ms for each in going)
        assert all(old.at_ms < new.at_ms for old in going for new in staying)
        if going:
            assert sum(each.size_bytes for each in [*staying, going[-1]]) + size > DELTA_ACCOUNT_BYTES


def test_bounds_are_those_that_the_protocol_tells():
    told = (DOCS / "protocol.md").read_text()
    for bound in (
        f"{DELTAS_WAITING} of an account waiting; {DELTA_S / 60:.0f} minutes each",
        f"tried again after {DELTA_AGAIN_S / 60:.0f} minutes, and after twice as long",
        f"against the {DELTA_BASES} bases",
        f"{DELTA_ACCOUNT_BYTES >> 20} MiB for the images of an account",
        f"{DELTA_KEPT_S // (24 * 3600)} days after they were last offered",
    ):
        assert bound in told
    assert DELTA_SPARED_S == 24 * 3600  # "unless that was within a day"

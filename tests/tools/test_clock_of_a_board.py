"""What a board with https is told of the time, without which it could verify no certificate at its first start."""

import dataclasses
import json
import time

import pytest

from twinslot_tools import checkup, provision, provisioning
from twinslot_tools.board_facts import Board

PEM = b"the certificate"


def board(**settings: object) -> Board:
    told = dict.fromkeys(("free_bytes", "block_bytes", "free_heap"), 0) | {"version": "1.25.0", "mpy": 0x706}
    told |= {"chip": None, "files": {}, "settings": settings, "root": [], "lib": [], "year": 2000}
    told |= {"tree": "", "trees": {}, "on_trial": False}
    return Board.of([], told)


def configured(server: str, there: Board) -> dict[str, object]:
    wish = provisioning.Wish(server, "g", "t", ca=PEM if server.startswith("https") else None)
    group = provision.Group(server, "g", "t", "kettle", ("modulus",))
    (content,) = provisioning._configuration(wish, group, "kettle-7", there).values()
    found: dict[str, object] = json.loads(content)
    return found


@pytest.mark.parametrize("server", ["https://kettle.example", "http://kettle.example"])
def test_each_provisioning_brings_its_time_by_which_a_board_begins_anew(server: str) -> None:
    before_s = int(time.time())
    for there in (board(), board(group="g", clock_s=1)):
        assert before_s <= configured(server, there)["clock_s"] <= time.time()  # type: ignore[operator]


def test_clock_of_2000_is_a_cross_only_where_nothing_sets_it_before_the_first_connection() -> None:
    for settings, well in (
        ({"server": "https://kettle.example"}, False),
        ({"server": "https://kettle.example", "clock_s": 1_800_000_000}, True),
        ({"server": "http://kettle.example"}, True),
    ):
        assert checkup._clock(board(**settings)).ok is well
    assert checkup._clock(dataclasses.replace(board(server="https://kettle.example"), year=2026)).ok

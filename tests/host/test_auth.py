"""Authorization headers and nonces."""

import pytest

from twinslot_host.domain import auth

GOOD = (
    'Twinslot group="5e1b76bc4315b70eb242567a", device="board-1", nonce="", seq="1",'
    f' cnonce="{"0a" * 16}", mac="{"0b" * 32}"'
)


def test_complete_header_is_read():
    claim = auth.parse_claim(GOOD)
    assert (claim.group, claim.device, claim.nonce, claim.seq) == ("5e1b76bc4315b70eb242567a", "board-1", "", "1")
    assert (claim.cnonce, claim.mac) == ("0a" * 16, "0b" * 32)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Twinslot",
        "Twinslot ",
        "Bearer abc",
        GOOD.replace("Twinslot", "Other"),
        GOOD.replace('seq="1"', 'seq="0"'),
        GOOD.replace('seq="1"', 'seq="-1"'),
        GOOD.replace('seq="1"', 'seq="01"'),
        GOOD.replace('seq="1"', 'seq="1' + "0" * 30 + '"'),
        GOOD.replace('seq="1"', 'seq="\u0661"'),
        GOOD.replace('device="board-1"', 'device="-board"'),
        GOOD.replace('device="board-1"', 'device="' + "b" * 65 + '"'),
        GOOD.replace('device="board-1"', 'device="b\\n"'),
        GOOD.replace("0a0a", "0A0A"),
        GOOD.replace("0b0b", "0b"),
        GOOD.replace('nonce="",', 'nonce="' + "f" * 65 + '",'),
        GOOD.replace(', seq="1"', ""),
        GOOD + ', seq="1"',
        GOOD + ', more="1"',
        GOOD + ",",
        GOOD.replace('"', ""),
    ],
)
def test_header_of_another_form_is_no_claim(header):
    assert auth.parse_claim(header) is None


def test_nonce_tells_when_it_was_issued():
    nonce = auth.make_nonce(b"secret", "group", "board-1", 123456789)
    assert auth.read_nonce(b"secret", "group", "board-1", nonce) == 123456789


@pytest.mark.parametrize("text", ["", ".", "1.", "1", "zz.00", "75bcd15." + "0" * 32])
def test_nonce_that_was_made_up_is_not_read(text):
    assert auth.read_nonce(b"secret", "group", "board-1", text) is None


@pytest.mark.parametrize(
    ("secret", "group", "device"),
    [(b"other", "group", "board-1"), (b"secret", "other", "board-1"), (b"secret", "group", "board-2")],
)
def test_nonce_of_another_device_group_or_server_is_not_read(secret, group, device):
    nonce = auth.make_nonce(b"secret", "group", "board-1", 123456789)
    assert auth.read_nonce(secret, group, device, nonce) is None

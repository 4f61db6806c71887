"""Specifications that a board must not take: nothing is written for them."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from .configuring import NEW, OLD, Kettle, in_force, in_nvs
from .impostor import manifest, sign
from .lab import Bench


@pytest.mark.parametrize(
    ("what", "named", "brought"),
    [
        ("none", NEW, None),
        ("one bit changed", NEW, NEW.replace(b"2", b"3")),
        ("not JSON", b"{litres: 2}", b"{litres: 2}"),
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


@pytest.mark.parametrize("at", [-1, None])
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

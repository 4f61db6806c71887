"""How a device's request comes in: its group's keys, its row, and its nonce spent once.

A device proves itself with a token of the group that it enrolled in. Its owner may have moved it to another group
since; that group's policy counts, and its offers. A token of the group that it belongs to is as good, and enrols it
there: it was provisioned again.
"""

from dataclasses import dataclass

from twinslot_host.config import NONCE_LIFE_S
from twinslot_host.domain import auth
from twinslot_host.errors import Conflict, TwinslotError, Unauthorized
from twinslot_host.services import Services
from twinslot_host.store import devices, group_tokens, groups
from twinslot_host.store.database import Connection
from twinslot_host.store.devices import Device
from twinslot_host.store.groups import Group


class NonceRefused(TwinslotError):
    """The mac is right, and the nonce is missing, too old, or its seq was used: the device repeats with a fresh one."""

    status = 401
    title = "Unauthorized"


@dataclass(frozen=True)
class Visitor:
    """A device that has proven its key; `nonce_issued_us` is None when its nonce can't be accepted.

    `proved` is the group with whose `token` (its row's id) it did, `group` the one that it belongs to.
    """

    group: Group
    proved: str
    token: int
    device: str
    key: bytes
    mac: str
    nonce_issued_us: int | None
    seq: int


async def prove(services: Services, claim: auth.Claim, method: str, path: str, body: bytes) -> Visitor | None:
    """Who sent the request; None when no valid token of such a group made its mac."""
    db = services.database.reader
    group = await groups.find(db, claim.group)
    if group is None:
        return None
    text = auth.request_text(method, path, claim.nonce, claim.seq, claim.cnonce, body)
    for token in await group_tokens.valid(db, group.id, services.now_ms()):
        key = auth.device_key(token.token, claim.device)
        if auth.same(auth.mac(key, text), claim.mac):
            issued_us = auth.read_nonce(services.nonce_key, group.id, claim.device, claim.nonce)
            belongs_to = await _group_of(db, group, claim.device)
            return Visitor(belongs_to, group.id, token.id, claim.device, key, claim.mac, issued_us, int(claim.seq))
    return None


async def admit(db: Connection, visitor: Visitor, now_us: int, *, in_person: bool = True) -> Device:
    """The visitor's row; its request is spent when the transaction is committed.

    `in_person`: it is the device itself, which is seen now, and not who provisions it.

    Raises Unauthorized when the token has ended since it proved the visitor, Conflict when the id is another group's
    device, NonceRefused when the request can't be told from a replay.
    """
    now_ms = now_us // 1000
    await _check_token(db, visitor, now_ms)
    issued_us = visitor.nonce_issued_us
    if issued_us is None or now_us - issued_us > NONCE_LIFE_S * 1_000_000:
        raise NonceRefused("the nonce is missing or too old; repeat with the one of this answer")
    row = await devices.ensure(db, visitor.group.account, visitor.device, visitor.proved, now_ms)
    if not _is_of(row, visitor.proved):
        raise Conflict(f"a device {visitor.device!r} belongs to another group; choose another id")
    seen_at_ms = now_ms if in_person else None
    if not await devices.spend(db, row.id, issued_us, visitor.seq, visitor.proved, visitor.token, seen_at_ms):
        raise NonceRefused("this seq was used; repeat with the nonce of this answer")
    return row


async def admitted(db: Connection, visitor: Visitor, row: int, now_ms: int) -> Device | None:
    """The row of a visitor that was admitted before, as it is now; None when the device is another's by now, or gone.

    Raises Unauthorized when the token has ended since.
    """
    await _check_token(db, visitor, now_ms)
    found = await devices.find(db, visitor.group.account, visitor.device)
    return found if found is not None and found.id == row and _is_of(found, visitor.proved) else None


async def current_group(db: Connection, device: Device) -> Group:
    """The group that the device belongs to."""
    group = await groups.find(db, device.group)
    assert group is not None
    return group


async def fresh_nonce(services: Services, visitor: Visitor) -> str:
    """A nonce for the device's next request, later than every one that it has used, even if the clock went back."""
    db, account, device = services.database.reader, visitor.group.account, visitor.device
    row = await devices.find(db, account, device)
    last_us = await devices.void_nonce_us(db, account, device)
    if row is not None and _is_of(row, visitor.proved):
        last_us = row.nonce_issued_us
    issued_us = max(services.clock_us(), last_us + 1)
    return auth.make_nonce(services.nonce_key, visitor.proved, visitor.device, issued_us)


async def _check_token(db: Connection, visitor: Visitor, now_ms: int) -> None:
    if all(token.id != visitor.token for token in await group_tokens.valid(db, visitor.proved, now_ms)):
        raise Unauthorized("the group's token is not valid any more", "Twinslot")


async def _group_of(db: Connection, proved: Group, device: str) -> Group:
    """Where the device belongs now: for one that is new, or another group's, the group that it proved itself with."""
    row = await devices.find(db, proved.account, device)
    if row is None or row.group == proved.id or not _is_of(row, proved.id):
        return proved
    return await current_group(db, row)


def _is_of(row: Device, group: str) -> bool:
    return group in (row.enrolled_group, row.group)

"""The tokens of a group: one more, a new one in place of all others, and the end of one."""

import re

from twinslot_host.config import GROUP_TOKENS_LIMIT
from twinslot_host.domain.caller import Caller
from twinslot_host.errors import Conflict, NotFound
from twinslot_host.flows.enrol import group_of, new_token
from twinslot_host.services import Services
from twinslot_host.store import audit, group_tokens
from twinslot_host.store.database import Connection
from twinslot_host.store.group_tokens import Token

_TOKEN_ID = re.compile(r"[1-9][0-9]{0,15}", re.ASCII)


async def add(services: Services, caller: Caller, group: str) -> Token:
    """One more token of the group, durable; the others stay valid. Raises NotFound, Conflict when it has too many."""
    now_ms = services.now_ms()
    async with services.database.write() as db:
        await group_of(db, caller.account, group)
        token = await _added(db, caller.account, group, now_ms)
        await audit.add(db, caller, "group.token.create", f"group:{group}", now_ms, {"token": token.id})
        return token


async def rotate(services: Services, caller: Caller, group: str, grace_s: int) -> Token:
    """A new token of the group, durable; every other one is valid for `grace_s` more at most.

    Raises NotFound, and Conflict when the group would have too many in the meantime.
    """
    now_ms = services.now_ms()
    ends_ms = now_ms + 1000 * grace_s
    async with services.database.write() as db:
        await group_of(db, caller.account, group)
        await group_tokens.expire(db, group, ends_ms)
        token = await _added(db, caller.account, group, now_ms)
        await audit.add(
            db, caller, "group.token.rotate", f"group:{group}", now_ms, {"token": token.id, "grace_s": grace_s}
        )
        return token


async def revoke(services: Services, caller: Caller, group: str, token: str) -> None:
    """The token is valid for nothing, durably; again changes nothing, and the last may go. Raises NotFound."""
    number, now_ms = int(token) if _TOKEN_ID.fullmatch(token) else 0, services.now_ms()
    async with services.database.write() as db:
        await group_of(db, caller.account, group)
        if not await group_tokens.revoke(db, group, number, now_ms):
            raise NotFound(f"the group has no token {token[:80]!r}")
        await audit.add(db, caller, "group.token.revoke", f"group:{group}", now_ms, {"token": number})


async def _added(db: Connection, account: str, group: str, now_ms: int) -> Token:
    if len(await group_tokens.valid(db, group, now_ms)) >= GROUP_TOKENS_LIMIT:
        raise Conflict(f"the group has {GROUP_TOKENS_LIMIT} valid tokens; revoke one that no device uses any more")
    return await group_tokens.add(db, account, group, new_token(), now_ms)

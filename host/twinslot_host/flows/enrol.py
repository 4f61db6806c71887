"""New groups, and their tokens."""

import re
import secrets
from dataclasses import dataclass

from twinslot_host.config import GROUP_TOKENS_LIMIT
from twinslot_host.domain import rollout
from twinslot_host.domain.signature import fingerprint, modulus_from_pem
from twinslot_host.errors import Conflict, Invalid, NotFound
from twinslot_host.services import Services
from twinslot_host.store import applications, group_keys, group_tokens, groups
from twinslot_host.store.database import Connection
from twinslot_host.store.group_tokens import Token
from twinslot_host.store.groups import Group

_TOKEN_BYTES = 32
_TOKEN_ID = re.compile(r"[1-9][0-9]{0,15}", re.ASCII)


@dataclass(frozen=True)
class NewGroup:
    """What a group is made of; `keys` are PEM."""

    name: str
    app: str
    trust: str
    keys: list[str]


async def create(services: Services, account: str, new: NewGroup) -> tuple[Group, str]:
    """The group, durable, and its token. Raises Conflict when the name is taken, Invalid for keys of no use."""
    moduli = [modulus_from_pem(pem) for pem in new.keys]
    if moduli and new.trust == rollout.SERVER:
        raise Invalid("keys: a group that trusts the server has none; create it with trust publisher")
    if not moduli and new.trust != rollout.SERVER:
        raise Invalid("keys: a group that trusts its publisher needs at least one public key")
    group, token, now_ms = secrets.token_hex(12), _new_token(), services.now_ms()
    async with services.database.write() as db:
        if await groups.name_taken(db, account, new.name):
            raise Conflict(f"a group {new.name!r} exists already; choose another name")
        application = await applications.ensure(db, account, new.app, now_ms)
        await groups.add(db, account, group, application.id, new.name, new.trust, now_ms)
        await group_tokens.add(db, account, group, token, now_ms)
        for modulus in moduli:
            await group_keys.add(db, account, group, fingerprint(modulus), modulus)
        created = await groups.find(db, group)
    assert created is not None
    return created, token


async def group_of(db: Connection, account: str, group: str) -> Group:
    """The account's group of that id. Raises NotFound."""
    found = await groups.find(db, group)
    if found is None or found.account != account:
        raise NotFound(f"there is no group {group[:80]!r}")
    return found


async def add_token(services: Services, account: str, group: str) -> Token:
    """One more token of the group, durable; the others stay valid. Raises NotFound, Conflict when it has too many."""
    async with services.database.write() as db:
        found = await group_of(db, account, group)
        if len(await group_tokens.valid(db, found.id)) >= GROUP_TOKENS_LIMIT:
            raise Conflict(f"the group has {GROUP_TOKENS_LIMIT} valid tokens; revoke one that no device uses any more")
        return await group_tokens.add(db, account, found.id, _new_token(), services.now_ms())


async def revoke_token(services: Services, account: str, group: str, token: str) -> None:
    """The token is valid for nothing, durably; again changes nothing, and the last may go. Raises NotFound."""
    number = int(token) if _TOKEN_ID.fullmatch(token) else 0
    async with services.database.write() as db:
        found = await group_of(db, account, group)
        if not await group_tokens.revoke(db, found.id, number, services.now_ms()):
            raise NotFound(f"the group has no token {token[:80]!r}")


def _new_token() -> str:
    return secrets.token_urlsafe(_TOKEN_BYTES)

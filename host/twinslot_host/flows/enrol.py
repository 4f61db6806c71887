"""New groups."""

import secrets
from dataclasses import dataclass

from twinslot_host.domain import rollout
from twinslot_host.domain.signature import fingerprint, modulus_from_pem
from twinslot_host.errors import Conflict, Invalid
from twinslot_host.services import Services
from twinslot_host.store import applications, group_keys, group_tokens, groups
from twinslot_host.store.groups import Group

_TOKEN_BYTES = 32


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
    group, token, now_ms = secrets.token_hex(12), secrets.token_urlsafe(_TOKEN_BYTES), services.now_ms()
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

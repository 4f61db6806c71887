"""What the handlers work with, opened once at start."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from twinslot_host import first_start, upkeep
from twinslot_host.artifacts import Artifacts
from twinslot_host.config import LINK_LIFE_S
from twinslot_host.datadir import DATABASE, JWT_KEY, LINK_KEY, NONCE_KEY, secret
from twinslot_host.deltas import Deltas
from twinslot_host.held import HeldCheckIns
from twinslot_host.issuer import Issuer, Trusted
from twinslot_host.metrics import Metrics
from twinslot_host.pacing import Pacing
from twinslot_host.passwords import Passwords
from twinslot_host.signing import Signer
from twinslot_host.store import accounts
from twinslot_host.store.database import Database
from twinslot_host.throttle import Throttle


@dataclass(frozen=True)
class Services:
    """The server's parts."""

    database: Database
    artifacts: Artifacts
    signer: Signer
    jwt_key: bytes
    nonce_key: bytes
    link_key: bytes
    metrics: Metrics
    clock_us: Callable[[], int]
    link_life_s: int
    passwords: Passwords
    throttle: Throttle
    issuer: Issuer | None
    held: HeldCheckIns
    pacing: Pacing
    deltas: Deltas

    def now_s(self) -> int:
        """The time in Unix seconds."""
        return self.clock_us() // 1_000_000

    def now_ms(self) -> int:
        """The time in Unix milliseconds."""
        return self.clock_us() // 1000


SERVICES = web.AppKey("services", Services)


def system_clock_us() -> int:
    """The time in Unix microseconds."""
    return time.time_ns() // 1000


@asynccontextmanager
async def opened(
    data: Path,
    clock_us: Callable[[], int] = system_clock_us,
    *,
    link_life_s: int = LINK_LIFE_S,
    issuer: Trusted | None = None,
) -> AsyncIterator[Services]:
    """The services of a data directory that the caller holds; its first account exists, and no orphaned artifact.

    `clock_us` is the only clock that decides anything. `link_life_s` is for how long a link to a file is good, `issuer`
    whose tokens are taken in place of this server's own; None: nobody else's.

    Raises NotADataDir, naming the file and what to restore, when part of the directory is lost or damaged.
    """
    first = first_start.begun(data)
    database = await Database.open(data / DATABASE, clock_us() // 1000)
    try:
        signer = await asyncio.to_thread(Signer.of, data, may_make=first)
        keys = {name: secret(data, name) for name in (JWT_KEY, NONCE_KEY, LINK_KEY)}
        artifacts = Artifacts(data)
        async with database.write() as db:
            await accounts.ensure_first(db, clock_us() // 1000)
        if not first:
            await upkeep.discard_orphans(database, artifacts)
        first_start.ended(data)
        yield Services(
            database=database,
            artifacts=artifacts,
            signer=signer,
            jwt_key=keys[JWT_KEY],
            nonce_key=keys[NONCE_KEY],
            link_key=keys[LINK_KEY],
            metrics=Metrics(),
            clock_us=clock_us,
            link_life_s=link_life_s,
            passwords=Passwords(),
            throttle=Throttle(),
            issuer=None if issuer is None else Issuer(issuer, clock_us),
            held=HeldCheckIns(),
            pacing=Pacing(),
            deltas=Deltas(),
        )
    finally:
        await database.close()

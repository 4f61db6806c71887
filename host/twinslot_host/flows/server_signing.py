"""What the server signs itself: uploads that came without a publisher's signature."""

from twinslot_host.domain import rollout
from twinslot_host.domain.release import SERVER, Release
from twinslot_host.errors import Conflict, Invalid
from twinslot_host.services import Services
from twinslot_host.store import applications, groups, signatures
from twinslot_host.store.applications import Application
from twinslot_host.store.database import Connection
from twinslot_host.store.signatures import Signed


async def check_trusted(db: Connection, application: Application) -> None:
    """Some group of the application trusts the server, or it has none yet. Raises Invalid."""
    known = await groups.of_application(db, application.id)
    if known and all(group.trust != SERVER for group in known):
        raise Invalid(f"the groups of {application.name} trust only their publisher's key; publish with --key FILE")


def free_sequence(services: Services, application: Application) -> int:
    """The sequence for the application's next signature. Raises Conflict when it is far ahead of the clock."""
    sequence = rollout.next_sequence(application.last_sequence, services.now_s())
    if sequence > services.now_s() + rollout.AHEAD_LIMIT_S:
        raise Conflict(
            f"the last sequence of {application.name}, {application.last_sequence}, is a day ahead of the server's"
            " clock; set the clock, or wait until it gets there"
        )
    return sequence


async def sign(
    db: Connection, services: Services, account: str, application: Application, release: Release, sequence: int
) -> Signed:
    """The release's signature of that sequence, which is higher than all before; it is the release's current one."""
    signed = Signed(sequence, *services.signer.sign(release.manifest(application.name, sequence)))
    await signatures.add(db, account, application.id, release.id, signed, services.now_ms())
    await applications.set_last_sequence(db, application.id, sequence)
    return signed

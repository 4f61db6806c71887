"""API clients: programs that get tokens with an id and a secret, of which a digest alone is kept."""

from dataclasses import dataclass, field
from sqlite3 import Row

from twinslot_host.store.database import Connection
from twinslot_host.store.rows import all_of, number, one

_SELECT = "SELECT id, account_id, name, digest, scopes, created_at_ms FROM clients"


@dataclass(frozen=True)
class Client:
    """One row; `digest` is the SHA-256 of its secret, in hex."""

    id: str
    account: str
    name: str
    digest: str = field(repr=False)
    scopes: tuple[str, ...]
    created_at_ms: int


async def add(db: Connection, client: Client) -> None:
    """The client exists. The caller has seen that the name is free."""
    await db.execute(
        "INSERT INTO clients (id, account_id, name, digest, scopes, created_at_ms) VALUES (?, ?, ?, ?, ?, ?)",
        (client.id, client.account, client.name, client.digest, " ".join(client.scopes), client.created_at_ms),
    )


async def find(db: Connection, client: str) -> Client | None:
    """The client of that id, whichever account's, or None."""
    row = await one(db, f"{_SELECT} WHERE id = ?", (client,))
    return None if row is None else _client(row)


async def name_taken(db: Connection, account: str, name: str) -> bool:
    """Whether the account has a client of that name."""
    return await one(db, "SELECT 1 FROM clients WHERE account_id = ? AND name = ?", (account, name)) is not None


async def page(db: Connection, account: str, offset: int, limit: int) -> list[Client]:
    """The account's clients by name."""
    rows = await all_of(db, f"{_SELECT} WHERE account_id = ? ORDER BY name LIMIT ? OFFSET ?", (account, limit, offset))
    return [_client(row) for row in rows]


async def count(db: Connection, account: str) -> int:
    """How many clients the account has."""
    return await number(db, "SELECT COUNT(*) FROM clients WHERE account_id = ?", (account,))


async def remove(db: Connection, client: str) -> None:
    """There is no such client."""
    await db.execute("DELETE FROM clients WHERE id = ?", (client,))


def _client(row: Row) -> Client:
    return Client(
        row["id"], row["account_id"], row["name"], row["digest"], tuple(row["scopes"].split()), row["created_at_ms"]
    )

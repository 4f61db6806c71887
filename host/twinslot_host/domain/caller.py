"""Whom a request of the management APIs comes from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Caller:
    """An account's user or client; `actor` names it in the audit."""

    account: str
    actor: str  # user:NAME, client:ID, operator (who can read the data directory), or issuer:SUBJECT
    scopes: frozenset[str]

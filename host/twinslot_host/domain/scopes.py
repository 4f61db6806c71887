"""What a token may do: which scopes there are, and who may give them to whom, and take them."""

from collections.abc import Iterable

from twinslot_host.config import SCOPES
from twinslot_host.domain.caller import Caller
from twinslot_host.errors import Forbidden, Invalid


def checked_scopes(scopes: Iterable[str]) -> tuple[str, ...]:
    """The scopes, each once, in the order of SCOPES. Raises Invalid when there is none, or an unknown one."""
    wanted = frozenset(scopes)
    unknown = sorted(wanted - frozenset(SCOPES))
    if unknown:
        raise Invalid(f"scopes: there is no scope {unknown[0][:80]!r}; the scopes are {', '.join(SCOPES)}")
    if not wanted:
        raise Invalid("scopes: at least one is needed")
    return tuple(scope for scope in SCOPES if scope in wanted)


def check_grantable(caller: Caller, scopes: Iterable[str]) -> None:
    """The caller has the scopes itself. Raises Forbidden."""
    lacking = [scope for scope in scopes if scope not in caller.scopes]
    if lacking:
        raise Forbidden(
            f"scopes: nobody gives or takes what they do not have, and the token lacks {', '.join(lacking)}"
        )

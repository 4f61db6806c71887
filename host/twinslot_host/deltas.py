"""Which deltas are still to be made: accounts take turns, so that none waits for all that another has asked for."""

import asyncio
from dataclasses import dataclass

from twinslot_host.config import DELTAS_WAITING
from twinslot_host.domain.deltas import Pair


@dataclass(frozen=True)
class Wish:
    """A pair of images whose delta a check-in for the application would have used."""

    application: int
    pair: Pair


class Deltas:
    """What check-ins have wished for; what is lost with the server is asked for again."""

    def __init__(self) -> None:
        self._waiting: dict[str, dict[Wish, None]] = {}  # by account, in the order of their turns
        self._any = asyncio.Event()

    def want(self, wish: Wish) -> None:
        """The wish has its turn some time, unless too many of its account are waiting."""
        waiting = self._waiting.setdefault(wish.pair.account, {})
        if len(waiting) < DELTAS_WAITING:
            waiting[wish] = None
            self._any.set()

    async def next(self) -> Wish:
        """The first wish of the account whose turn it is, as soon as there is one; `done` has to follow."""
        await self._any.wait()
        return next(iter(next(iter(self._waiting.values()))))

    def done(self, wish: Wish) -> None:
        """The wish has had its turn, and every other account comes before the next of its account."""
        waiting = self._waiting.pop(wish.pair.account)
        del waiting[wish]
        if waiting:
            self._waiting[wish.pair.account] = waiting
        if not self._waiting:
            self._any.clear()

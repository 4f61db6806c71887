"""Check-ins that are held open until there is something for their device, and what wakes them.

One is held for each device: the latest. `hold` is called right after the transaction that found nothing to do, before
any other task runs, and whoever commits something for a device calls `wake` afterwards. Transactions come one after the
other, so nothing is missed. What a held check-in gets is decided in a transaction of its own, when it is woken.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum

from twinslot_host import open_files
from twinslot_host.config import FILES_SPARED, HELD_LIMIT, RETURN_S

_SHARE = 3  # times as many as are free


class Why(Enum):
    """Why a held check-in goes on: there may be something, its time is over, or nobody waits for its answer."""

    WOKEN = 1
    OVER = 2
    ENDED = 3


class HeldCheckIn:
    """One of them. `device` is the device's row, `alive` tells whether its connection is still there."""

    __slots__ = ("_ended", "_signal", "_until_s", "_woken", "account", "alive", "device")

    def __init__(self, device: int, account: str, wait_s: float, alive: Callable[[], bool]) -> None:
        self.device, self.account, self.alive = device, account, alive
        self._woken = self._ended = False
        self._signal = asyncio.Event()
        self._until_s = asyncio.get_running_loop().time() + wait_s

    async def reason(self) -> Why:
        """Why to go on, as soon as there is a reason. After WOKEN it can be awaited again, for the next one."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(self._until_s):
                await self._signal.wait()
        self._signal.clear()
        woken, self._woken = self._woken, False
        return Why.ENDED if self._ended else Why.WOKEN if woken else Why.OVER

    def wake(self) -> None:
        """There may be something for the device."""
        self._woken = True
        self._signal.set()

    def leave(self) -> None:
        """Nobody waits here any more."""
        self._ended = True
        self._signal.set()


class HeldCheckIns:
    """All of them, by device; so many that the rest of what this process may open is left for others.

    An account has at most three times as many as are free: alone at most three quarters of all, and whoever comes next
    finds some.
    """

    def __init__(self) -> None:
        self._limit = min(HELD_LIMIT, open_files.allowed() - FILES_SPARED)
        self._all: dict[int, HeldCheckIn] = {}
        self._counts: Counter[str] = Counter()  # by account
        self._left_s: dict[int, float] = {}  # when the device was answered, of devices that are to return
        self._asked: dict[int, set[asyncio.Future[None]]] = {}
        self._stopped = False
        self._changed: set[str] = set()
        self.changes = asyncio.Event()

    def __len__(self) -> int:
        return len(self._all)

    def hold(self, device: int, account: str, wait_s: float, alive: Callable[[], bool]) -> HeldCheckIn | None:
        """That device's check-in is held; None: it can't be. One that was held before ends."""
        self.end(device)
        self._left_s.pop(device, None)
        free = self._limit - len(self._all)
        if wait_s <= 0 or self._stopped or self._counts[account] >= _SHARE * free:
            return None
        held = HeldCheckIn(device, account, wait_s, alive)
        self._all[device] = held
        self._counts[account] += 1
        if self.wants_inventory(device):
            held.wake()  # who asked may have come after the transaction had looked
        return held

    def end(self, device: int) -> None:
        """No check-in of the device is held: another has come, or it is not the account's any more."""
        held = self._all.pop(device, None)
        if held is not None:
            self._counts[held.account] -= 1
            held.leave()

    def release(self, held: HeldCheckIn) -> None:
        """The check-in is answered, or its connection is gone."""
        if self._all.get(held.device) is held:
            self.end(held.device)
            if held.alive():
                self.returns(held.device)

    def returns(self, device: int) -> None:
        """The device was answered so that it checks in again at once."""
        self._left_s[device] = asyncio.get_running_loop().time()

    def is_held(self, held: HeldCheckIn) -> bool:
        """Whether the device still waits for the answer to this very check-in."""
        return self._all.get(held.device) is held and held.alive()

    def wake(self, device: int) -> None:
        """There may be something for the device, which was committed."""
        held = self._all.get(device)
        if held is not None:
            held.wake()

    def connected(self, device: int) -> bool:
        """Whether the device can be reached at once: its check-in is held, or it is about to check in again."""
        held = self._all.get(device)
        if held is not None:
            return held.alive()
        left_s = self._left_s.get(device)
        return left_s is not None and asyncio.get_running_loop().time() - left_s < RETURN_S

    async def inventory(self, device: int, timeout_s: float) -> bool:
        """Whether the device, which is connected, has told its inventory within the time, as it is asked to."""
        if not self.connected(device):
            return False
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._asking(device, told):
            self.wake(device)
            try:
                await asyncio.wait_for(told, timeout_s)
            except TimeoutError:
                return False
            return True

    def wants_inventory(self, device: int) -> bool:
        """Whether somebody waits for the device's inventory."""
        return device in self._asked

    def told_inventory(self, device: int) -> None:
        """The device has told its inventory, which was committed."""
        for each in self._asked.get(device, ()):
            if not each.done():
                each.set_result(None)

    def mark(self, account: str) -> None:
        """Something of the account was changed, which may give its devices something."""
        self._changed.add(account)
        self.changes.set()

    def marked(self) -> set[str]:
        """The accounts that were marked since this was asked last."""
        changed, self._changed = self._changed, set()
        self.changes.clear()
        return changed

    def of_account(self, account: str) -> list[int]:
        """The account's devices whose check-ins are held."""
        return [held.device for held in self._all.values() if held.account == account]

    def drop_gone(self) -> None:
        """No check-in is held whose connection is gone."""
        now_s = asyncio.get_running_loop().time()
        for held in [each for each in self._all.values() if not each.alive()]:
            self.end(held.device)
        for device in [each for each, left_s in self._left_s.items() if now_s - left_s >= RETURN_S]:
            del self._left_s[device]

    def stop(self) -> None:
        """No check-in is held any more."""
        self._stopped = True
        for device in list(self._all):
            self.end(device)

    @contextmanager
    def _asking(self, device: int, told: asyncio.Future[None]) -> Iterator[None]:
        waiting = self._asked.setdefault(device, set())
        waiting.add(told)
        try:
            yield
        finally:
            waiting.remove(told)
            if not waiting:
                del self._asked[device]

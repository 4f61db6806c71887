"""Wrong passwords in a row make whoever tries a name wait."""

from collections import OrderedDict
from dataclasses import dataclass

from twinslot_host.config import FAILURE_KEPT_S, FAILURE_NAMES, FAILURE_WAIT_MOST_S, FAILURES_FREE
from twinslot_host.errors import TooMany


@dataclass(frozen=True)
class _Failures:
    count: int
    last_s: int

    @property
    def until_s(self) -> int:
        over = self.count - FAILURES_FREE
        return self.last_s + (0 if over < 0 else min(1 << min(over, 16), FAILURE_WAIT_MOST_S))


class Throttle:
    """Counts in memory, for a bounded number of names; the one that was quiet for longest is forgotten first.

    It asks nobody whether there is a user of the name, so it tells nobody.
    """

    def __init__(self) -> None:
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def tried(self, name: str, now_s: int) -> None:
        """One more attempt counts as failed, until it turns out right. Raises TooMany while the name has to wait."""
        known = self._failures.get(name)
        if known is not None and abs(now_s - known.last_s) >= FAILURE_KEPT_S:
            known = None
        if known is not None and now_s < known.until_s:
            wait_s = known.until_s - now_s
            raise TooMany(f"too many wrong passwords in a row for this name; try again in {wait_s} s", wait_s)
        self._failures[name] = _Failures(1 if known is None else known.count + 1, now_s)
        self._failures.move_to_end(name)
        if len(self._failures) > FAILURE_NAMES:
            self._failures.popitem(last=False)

    def was_right(self, name: str) -> None:
        """The name's failures are forgotten."""
        self._failures.pop(name, None)

"""What passes between this board and its server: check-ins, reports, and the Wi-Fi that they need."""

import asyncio
import gc
import os
import sys
from binascii import hexlify
from hashlib import sha256

from micropython import const

from . import hw, keys
from .clock import Clock
from .errors import Rejected, Unreachable, Untimely
from .log import log
from .server import Server

TYPE_CHECKING = const(False)
if TYPE_CHECKING:
    from .config import Config
    from .pace import Pace
    from .record import Record

_WIFI_WAIT_S = const(20)
MPY = getattr(sys.implementation, "_mpy", 0) & 0xFFFF
MICROPYTHON = tuple(sys.implementation.version[:3])
"""The format of `.mpy` files that this board loads, and its MicroPython's version."""
NO_PACKAGES = "4f53cda18c2baa0c"
"""The digest of an inventory without packages."""


def _inventory() -> str:
    """What `packages.digest` is. Where there are no packages, that module is not in the way."""
    packages = sys.modules.get("twinslot.packages")
    return packages.digest() if packages else NO_PACKAGES


def random_id() -> str:
    """A new report's id."""
    return hexlify(os.urandom(8)).decode()


class Liaison:
    """`offer` is the server's last one, not yet checked, empty for none; `orders` is what else was in its answer;
    `client` fetches transfers; `chip` is the chip's id, `slot_size` the free slot's, 0 for none; `trusted` are the
    fingerprints of the keys that count while the record keeps `confirmed`."""

    def __init__(self, config: "Config", record: "Record", pace: "Pace", safe: bool) -> None:
        self._config = config
        self._record = record
        self._pace = pace
        self._clock = Clock(config.clock_s if config.ca else 0)
        self._server = Server(config)
        self.chip = hw.chip_id()
        self.slot_size = hw.free_slot_size()
        self._safe = safe
        self.confirmed: dict = {}
        self.trusted: "list[str]" = []
        self.client = self._server.client
        self.offer: dict = {}
        self.orders: dict = {}

    @property
    def poll_s(self) -> int:
        """How long to wait between check-ins that bring nothing: not at all after one that was held to its end."""
        return self._server.poll_s and (self._config.poll_s or self._server.poll_s)

    async def check_in(self, wait_s: int = 0, takes_operations: bool = True) -> None:
        """The server has heard from this board, has been given what it had not acknowledged, and has made its offer,
        if need be when `wait_s` was over.

        Raises Unreachable or Rejected.
        """
        await self._online()
        await self._deliver_report()
        confirmed, running = self._record.confirmed, self._record.running
        if self.confirmed is not confirmed or not self.trusted:  # its keys are read once: that takes some KiB
            self.confirmed = confirmed
            self.trusted = [hexlify(sha256(key).digest()).decode() for key in keys.trusted(self._config, confirmed)]
        gc.collect()
        status: dict = {
            "app": self._config.app,
            "version": running["version"],
            "confirmed_version": confirmed["version"],
            "sequence": confirmed["sequence"],
            "state": "trial" if self._record.trial else "safe" if self._safe else "idle",
            "image": self._record.image,
            "bundle": self._record.bundle if hw.running_tree else None,
            "mpy": MPY,
            "micropython": "{}.{}.{}".format(*MICROPYTHON),
            "chip": self.chip,
            "slot_size": self.slot_size,
            "free_heap": gc.mem_free(),
            "reset_cause": hw.reset_cause(),
            "trusted": self.trusted,
        }
        if takes_operations:
            status["inventory"] = _inventory()
        if wait_s:
            status["wait"] = wait_s
        self.orders = await self._ask("/check", status)
        self.offer = self.orders.pop("offer", None) or {}

    async def ask(self, path: str, document: dict) -> dict:
        """As `Server.ask`, when Wi-Fi is up."""
        await self._online()
        return await self._ask(path, document)

    async def tell(self, event: str, about: dict, reason: str = "") -> None:
        """The server has been told what happens to the release `about`, if it could be reached."""
        body = {"id": random_id(), "event": event, "version": about["version"], "sequence": about["sequence"]}
        body["reason"] = reason[:200]
        try:
            await self._ask("/report", body)
        except (Unreachable, Rejected) as error:
            log(error)

    async def _ask(self, path: str, document: dict) -> dict:
        """As `Server.ask`; the clock has learned from it."""
        shown_s = hw.clock_s()
        try:
            answer = await self._server.ask(path, document)
        except Untimely:
            self._clock.doubt()
            raise
        self._clock.told(self._server.time_s, shown_s)
        return answer

    async def _deliver_report(self) -> None:
        if not self._record.report:
            return
        try:
            await self._ask("/report", self._record.report)
        except Rejected as error:
            log("report dropped:", error)
        self._record.acknowledge()

    async def _online(self) -> None:
        """Wi-Fi is up, as far as the agent is to care for it. Raises Unreachable when it is not within 20 s."""
        wifi = self._config.wifi
        if not wifi:
            return
        try:
            for _ in range(_WIFI_WAIT_S):
                if hw.wifi_connected(wifi["ssid"], wifi["password"]):
                    return
                await asyncio.sleep(1)
                self._pace.feed()
            hw.wifi_off()
        except (OSError, RuntimeError) as error:  # "Wifi Internal Error" and its like (ports/esp32/modnetwork.c)
            hw.wifi_off()
            raise Unreachable("Wi-Fi: {}".format(error))
        raise Unreachable("no Wi-Fi")

"""The agent: one coroutine for each state of `states.TABLE`, which does the state's work and returns its event."""

import asyncio
import gc
import os
import time
from binascii import a2b_base64, hexlify, unhexlify

from . import config, hw, record, states
from .errors import Refused, Rejected, TransferError, TwinslotError, Unreachable
from .manifest import Manifest, Rules
from .otadata import NEW, PENDING_VERIFY
from .server import Server
from .transfer import Transfer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Hook = Callable[..., Any] | None

_RETRY_FIRST_S = 5
_RETRY_LAST_S = 900
_TRIAL_RETRY_S = 5
_FEED_S = 5
_WATCHDOG_MS = 1 << 28  # three days; four times as many ticks are counted in 32 bits (esp_task_wdt_impl_timergroup.c)
_FAILURES_BEFORE_RESET = 5
_WIFI_WAIT_S = 20

SAFE_AFTER_CRASHES = 5
"""So many boots in a row that ended in an exception leave the board to the agent alone (boot/main.py)."""


def log(*words: object) -> None:
    """A line on the console."""
    print("twinslot:", *words)


async def _settled(value: "Any") -> object:
    """What a hook returned, awaited when it is a coroutine: hooks may be plain functions or asynchronous ones."""
    return await value if hasattr(value, "send") else value


def _jittered(seconds: float, percent: int) -> float:
    """`seconds`, give or take up to `percent`."""
    return seconds * (1 + (os.urandom(1)[0] - 127.5) / 127.5 * percent / 100)


class Agent:
    """Keeps the board up to date: `await agent.run()` beside the application's own tasks, for as long as it runs.

    The hooks may be plain functions or asynchronous ones:
    - `on_progress(done, size)` in bytes, while an image is fetched;
    - `consent(version)` returns whether that version may be installed now; asked again at the next check-in;
    - `self_test()` returns whether the application works, asked in a trial; an exception counts as no.

    Raises ConfigError when the board is not provisioned or has no second slot.
    """

    def __init__(self, on_progress: "Hook" = None, consent: "Hook" = None, self_test: "Hook" = None) -> None:
        self.set_hooks(on_progress, consent, self_test)
        self._config = config.load()
        self._server = Server(self._config)
        self._transfer = Transfer()
        self._machine = states.Machine()
        self._running = hw.running_slot()
        self._chip = hw.chip_id()
        self._started_ms = time.ticks_ms()
        self._watchdog: "hw.Watchdog | None" = None
        self._pause_s = 0
        self._retry_s = 0
        self._offer: dict = {}  # the server's, not yet checked
        self._release: dict = {}  # checked and accepted, as the record has it
        self._link = ""
        self._failure = ("", "")
        self._safe = hw.crashes() >= SAFE_AFTER_CRASHES and not hw.on_trial()
        self._record = self._load_record()

    def _load_record(self) -> record.Record:
        try:
            fields = hw.load_record()
            if fields is None:
                # An image in its trial on a board without a record is not what the board was shipped with.
                shipped = 1 - self._running if hw.on_trial() else self._running
                fields = record.factory(self._config.version, shipped)
                hw.save_record(fields)
        except hw.RecordUnreadable as error:
            if hw.on_trial():
                raise
            log("the update record can't be read, and stays as it is:", error)
            fields = record.factory(hw.image_version(), -1)
        return record.Record(fields, hw.save_record)

    def set_hooks(self, on_progress: "Hook", consent: "Hook", self_test: "Hook") -> None:
        """These hooks are used from now on."""
        self._on_progress = on_progress
        self._consent = consent
        self._self_test = self_test

    @property
    def state(self) -> str:
        """The name of the agent's state in `states.TABLE`."""
        return self._machine.state

    async def run(self) -> None:
        """Never returns. An error that nothing foresaw is printed and waited out; where the same state fails over and
        over, the board restarts."""
        failures = 0
        while True:
            try:
                await self._step()
                failures = 0
            except Exception as error:  # noqa: BLE001 - the agent goes on, whatever it was
                log("error:", type(error).__name__, error)
                failures += 1
                self._back_off()
                if (self.state, "broken") in states.TABLE:
                    self._machine.advance("broken")
                elif self.state != "idle":
                    if failures >= _FAILURES_BEFORE_RESET:
                        hw.reset()
                    await self._wait(self._pause_s)

    async def update_once(self) -> bool:
        """What there is to do has been done once: a trial judged, the server asked, an update installed (then the
        board restarts). Returns whether the server was reached."""
        while self.state != "idle":
            await self._step()
        if self._watchdog:
            log("restarting, to end the trial's watchdog")
            await self._resetting()
        self._pause_s = 0
        await self._step()
        while self.state != "idle":
            await self._step()
        return not self._retry_s

    async def _step(self) -> None:
        self._machine.advance(await getattr(self, "_" + self.state)())

    # The states, in the order of the table.

    async def _booting(self) -> str:
        cause, boot = hw.reset_cause(), hw.boot_slot()
        slots, newest = hw.read_otadata()
        if not self._record.trial and slots[self._running] == PENDING_VERIFY:
            if self._record.confirmed["slot"] != self._running:
                self._record.begin_stray(hw.image_version(), self._running)
        trial = self._record.trial
        event = states.judge_boot(trial, self._running, boot, slots, newest, cause)
        if event == "undone":
            self._failure = ("rolled_back", states.why_undone(trial, cause))
        log("slot {}, {}, {}".format(self._running, self._version(), event))
        return event

    async def _settling(self) -> str:
        hw.keep_running()
        if self._record.confirmed["slot"] != self._running:
            self._record.fall_back(_random_hex(8), hw.image_version(), self._running)
        self._outlive_trial()
        return "settled"

    async def _idle(self) -> str:
        await self._wait(self._pause_s)
        try:
            event = await self._check_in()
        except (Unreachable, Rejected) as error:
            log(error)
            self._back_off()
            return "nothing"
        if not self._safe and hw.crashes():
            hw.set_crashes(0)
        if event == "nothing":
            self._retry_s = 0
            self._poll_later()
        return event

    async def _judging(self) -> str:
        data = b""
        try:
            try:
                data, signature = a2b_base64(self._offer["manifest"]), a2b_base64(self._offer["signature"])
                self._link = str(self._offer["transfer"])
            except (KeyError, TypeError, ValueError):
                raise Refused("format", "not an offer")
            manifest = self._rules().check(data, signature)
        except Refused as refused:
            return self._refuse(data, refused)
        if self._consent and not await _settled(self._consent(manifest.version)):
            log("not now:", manifest.version)
            await self._tell("deferred", manifest.version, manifest.sequence)
            self._poll_later()
            return "deferred"
        self._release = record.release(manifest, 1 - self._running)
        return "accepted"

    async def _downloading(self) -> str:
        release = self._release
        log("downloading {}, {} bytes".format(release["version"], release["size"]))
        await self._tell("downloading", release["version"], release["sequence"])
        gc.collect()
        shown = -1

        async def progress(done: int) -> None:
            nonlocal shown
            self._feed()
            percent = done * 100 // release["size"]
            if percent // 5 != shown:
                shown = percent // 5
                log("downloading {}: {} %".format(release["version"], percent))
            if self._on_progress:
                await _settled(self._on_progress(done, release["size"]))
            await asyncio.sleep(0)

        slot = hw.slot(release["slot"])
        try:
            await self._transfer.fetch(self._server.client, self._link, release["size"], slot, progress)
            if not await self._transfer.matches(slot, release["size"], _digest(release)):
                raise TransferError("hash")
        except (TransferError, Unreachable) as error:
            log("download failed:", error)
            await self._tell("failed", release["version"], release["sequence"], str(error))
            self._back_off()
            return "broken"
        self._record.begin(release)
        return "downloaded"

    async def _switching(self) -> str:
        trial = self._record.trial
        slot = hw.slot(trial["slot"])
        if not await self._transfer.matches(slot, trial["size"], _digest(trial)):
            self._failure = ("failed", "hash")
            return "unfit"
        slots, newest = hw.read_otadata()
        if hw.boot_slot() == slot.index and slots[slot.index] == NEW:
            return "switched"  # before a soft reset; a second `set_boot` would spoil the way back
        if hw.boot_slot() != self._running:
            hw.keep_running()
            _, newest = hw.read_otadata()
        self._record.arm(newest)
        try:
            slot.set_boot()
        except hw.NotBootable as error:
            log("the chip does not boot it:", error)
            self._failure = ("refused", "image")
            return "unfit"
        log("restarting into", trial["version"])
        return "switched"

    async def _resetting(self) -> str:
        await asyncio.sleep(0.1)  # the console's last line is out
        hw.reset()
        raise TwinslotError("the chip did not reset")

    async def _trial(self) -> str:
        version = self._record.trial["version"]
        log("trial of", version)
        reason = "expired"
        while True:
            left_ms = self._config.trial_s * 1000 - time.ticks_diff(time.ticks_ms(), self._started_ms)
            if left_ms <= 0:
                break
            try:
                reason = await asyncio.wait_for_ms(self._prove(), left_ms)
                if not reason:
                    return "proved"
            except asyncio.TimeoutError:
                break
            except (Unreachable, Rejected) as error:
                reason = "expired"
                log(error)
            await asyncio.sleep(_jittered(min(_TRIAL_RETRY_S, self._config.trial_s / 4), 25))
        log("{} did not prove itself: {}".format(version, reason))
        self._record.end(reason)
        return "expired"

    async def _prove(self) -> str:
        """Empty when the application works and the server knows; else why not. Raises Unreachable or Rejected."""
        if not await self._works():
            return "self_test"
        await self._check_in()
        await self._tell("trial", self._record.trial["version"], self._record.trial["sequence"])
        return ""

    async def _confirming(self) -> str:
        hw.keep_running()
        self._outlive_trial()
        self._record.confirm(_random_hex(8))
        hw.set_crashes(0)
        log("confirmed", self._record.confirmed["version"])
        self._pause_s = 0
        return "confirmed"

    async def _undoing(self) -> str:
        event, reason = self._failure
        version = self._record.trial["version"]
        if hw.boot_slot() != self._running:
            hw.keep_running()
        if event == "failed":
            self._record.drop(_random_hex(8), reason)
        else:
            self._record.fail(_random_hex(8), event, reason)
        log("{} {}: {}".format(event.replace("_", " "), version, reason))
        self._back_off()
        return "recorded"

    # What the states share.

    def _version(self) -> str:
        """The version of the running image, in any state."""
        trial = self._record.trial
        return (trial if trial and trial["slot"] == self._running else self._record.confirmed)["version"]

    async def _works(self) -> bool:
        """Whether the application says that it works."""
        if not self._self_test:
            return True
        try:
            return bool(await _settled(self._self_test()))
        except Exception as error:  # noqa: BLE001 - the application's own; any is a no
            log("self-test:", type(error).__name__, error)
            return False

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
                self._feed()
            hw.wifi_off()
        except (OSError, RuntimeError) as error:  # "Wifi Internal Error" and its like (ports/esp32/modnetwork.c)
            hw.wifi_off()
            raise Unreachable("Wi-Fi: {}".format(error))
        raise Unreachable("no Wi-Fi")

    async def _check_in(self) -> str:
        """The server has heard from this board and has been given what it has not acknowledged: "offered", with the
        offer kept, or "nothing"."""
        await self._online()
        await self._deliver_report()
        confirmed, running = self._record.confirmed, self._record.running
        gc.collect()
        answer = await self._server.check(
            {
                "app": self._config.app,
                "version": running["version"],
                "confirmed_version": confirmed["version"],
                "sequence": confirmed["sequence"],
                "state": "trial" if self._record.trial else "safe" if self._safe else "idle",
                "image": running["sha256"],
                "chip": self._chip,
                "slot_size": hw.slot(1 - self._running).size,
                "free_heap": gc.mem_free(),
                "reset_cause": hw.reset_cause(),
            }
        )
        hw.set_clock(self._server.time_s)
        self._offer = answer.get("offer") or {}
        return "offered" if self._offer else "nothing"

    async def _deliver_report(self) -> None:
        """The server has the report that was kept for it, if there was one. Raises Unreachable."""
        if not self._record.report:
            return
        try:
            await self._server.report(self._record.report)
        except Rejected as error:
            log("report dropped:", error)
        self._record.acknowledge()

    async def _tell(self, event: str, version: str, sequence: int, reason: str = "") -> None:
        """The server has been told, if it could be reached."""
        body = {"id": _random_hex(8), "event": event, "version": version, "sequence": sequence, "reason": reason[:200]}
        try:
            await self._server.report(body)
        except (Unreachable, Rejected) as error:
            log(error)

    def _rules(self) -> Rules:
        """What this board takes, as things stand."""
        confirmed = self._record.confirmed
        return Rules(
            self._config.trusted,
            self._config.app,
            self._chip,
            hw.slot(1 - self._running).size,
            confirmed["sequence"],
            confirmed["security"],
            self._record.failed,
        )

    def _refuse(self, data: bytes, refused: Refused) -> str:
        """The offer with the manifest `data` is to be reported, and the next one can wait."""
        log("refused:", refused)
        try:
            manifest = Manifest(data)
            version, sequence = manifest.version, manifest.sequence
        except Refused:
            version, sequence = "0.0.0", 0
        self._record.keep_report(_random_hex(8), "refused", version, sequence, refused.reason)
        self._back_off()
        return "refused"

    def _outlive_trial(self) -> None:
        """The watchdog of the trial, which can't be stopped, is content with a sign of life every few days."""
        self._watchdog = hw.Watchdog(timeout=_WATCHDOG_MS)

    def _feed(self) -> None:
        if self._watchdog:
            self._watchdog.feed()

    async def _wait(self, seconds: float) -> None:
        """So long has passed, and the watchdog is content."""
        until_ms = time.ticks_add(time.ticks_ms(), int(seconds * 1000))
        while True:
            self._feed()
            left_ms = time.ticks_diff(until_ms, time.ticks_ms())
            if left_ms <= 0:
                return
            await asyncio.sleep_ms(min(left_ms, _FEED_S * 1000))

    def _poll_later(self) -> None:
        self._pause_s = _jittered(self._config.poll_s or self._server.poll_s, 10)

    def _back_off(self) -> None:
        """The next wait is twice the last one, from 5 s to 900 s."""
        self._retry_s = min(_RETRY_LAST_S, self._retry_s * 2 or _RETRY_FIRST_S)
        self._pause_s = _jittered(self._retry_s, 25)


def _random_hex(length: int) -> str:
    return hexlify(os.urandom(length)).decode()


def _digest(release: dict) -> bytes:
    return unhexlify(release["sha256"])


_only: "Agent | None" = None


def update_now(on_progress: "Hook" = None, consent: "Hook" = None, self_test: "Hook" = None) -> bool:
    """What there is to do has been done once, by an agent with these hooks; returns whether the server was reached.

    For applications without asyncio: call it at times when a restart is welcome.
    """
    global _only
    if _only is None:
        _only = Agent()
    _only.set_hooks(on_progress, consent, self_test)
    return asyncio.run(_only.update_once())

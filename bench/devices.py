"""What the measurements need: a server as a process, what it has used, and many devices that speak the protocol."""

import argparse
import asyncio
import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from twinslot_tools.device_auth import device_key, request_mac

HERE = Path(__file__).parent
TWINSLOT = str(Path(sys.executable).with_name("twinslot"))
DIGEST = "0" * 16
STATUS: dict[str, object] = {
    "app": "kettle",
    "version": "1.0.0",
    "confirmed_version": "1.0.0",
    "sequence": 0,
    "state": "idle",
    "image": None,
    "chip": 0,
    "slot_size": 1_572_864,
    "free_heap": 65_536,
    "reset_cause": 1,
}
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_NONCE = re.compile(r'nonce="([^"]*)"')


class Process:
    """A server that has said where it listens."""

    def __init__(self, command: list[str]) -> None:
        self.popen = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.popen.stdout
        self.address = self.popen.stdout.readline().split()[-1]

    def memory_bytes(self) -> int:
        """What of its memory is in RAM."""
        status = Path(f"/proc/{self.popen.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) * 1024

    def processor_s(self) -> float:
        """The processor time that it has used, in seconds."""
        fields = Path(f"/proc/{self.popen.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND


@contextmanager
def running(*command: str) -> Iterator[Process]:
    """A server of this command, until the block ends."""
    process = Process(list(command))
    try:
        yield process
    finally:
        process.popen.terminate()
        process.popen.wait()


def twinslot(server: Process, data: Path, *command: str) -> Any:
    """What a `twinslot` command on that server printed as JSON."""
    token = subprocess.run([TWINSLOT, "token", "--data", str(data)], capture_output=True, text=True, check=True).stdout
    environment = {**os.environ, "TWINSLOT_SERVER": server.address, "TWINSLOT_TOKEN": token.strip()}
    done = subprocess.run([TWINSLOT, *command, "--json"], capture_output=True, check=True, env=environment)
    return json.loads(done.stdout)


class Device:
    """One device of a group; `sent_away` counts the 503s that it waited out."""

    def __init__(self, http: aiohttp.ClientSession, group: dict[str, Any], number: int) -> None:
        self.id = f"bench-{number}"
        self.sent_away = 0
        self._http = http
        self._group = group["id"]
        self._key = device_key(group["token"], self.id)
        self._nonce = ""
        self._seq = 0

    async def check_in(self, address: str, wait_s: int = 0) -> tuple[int, bytes]:
        """Status and body of a check-in of an idle device that has no packages."""
        return await self._post(address, "/device/v1/check", {**STATUS, "wait": wait_s, "inventory": DIGEST})

    async def tell_inventory(self, address: str) -> None:
        """The server knows that the device has no packages."""
        status, body = await self._post(address, "/device/v1/inventory", {"digest": DIGEST, "packages": []})
        assert status == 204, body

    async def _post(self, address: str, path: str, told: dict[str, object]) -> tuple[int, bytes]:
        """Status and body of an answer that neither asks for another nonce nor for patience."""
        body = json.dumps(told).encode()
        while True:
            async with self._http.post(address + path, data=body, headers=self._headers(path, body)) as answer:
                content = await answer.read()
                if answer.status == 503:
                    self.sent_away += 1
                    pause_s = float(answer.headers["Retry-After"])
                elif answer.status == 401 and "Authentication-Info" in answer.headers:
                    self._nonce, self._seq = _NONCE.findall(answer.headers["Authentication-Info"])[0], 0
                    pause_s = 0
                else:
                    return answer.status, content
            await asyncio.sleep(pause_s)

    def _headers(self, path: str, body: bytes) -> dict[str, str]:
        self._seq += 1
        nonce, seq, cnonce = self._nonce, self._seq, secrets.token_hex(16)
        mac = request_mac(self._key, method="POST", path=path, nonce=nonce, seq=seq, cnonce=cnonce, body=body)
        fields = {"group": self._group, "device": self.id, "nonce": nonce, "seq": seq, "cnonce": cnonce, "mac": mac}
        proof = ", ".join(f'{name}="{value}"' for name, value in fields.items())
        return {"Authorization": f"Twinslot {proof}", "Content-Type": "application/json"}


def session() -> aiohttp.ClientSession:
    """For as many connections as there are devices, without a time-out."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None))


def asked(what: str) -> int:
    """How many devices the command line asks for."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--devices", type=int, default=5000)
    return int(parser.parse_args().devices)

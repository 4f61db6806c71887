"""A server that can be stopped and started again on its port, and boards of one of its groups."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from ..host.clients import Server, held_port
from .configuring import Kettle
from .impostor import Impostor
from .lab import make_flash, modulus_of_pem


@pytest.fixture(scope="session")
def signing_pem() -> bytes:
    """A server's key, made once."""
    form, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return rsa.generate_private_key(65537, 3072).private_bytes(serialization.Encoding.PEM, form, none)


class Site:
    """A server with one group of kettles. `start` after `kill` keeps the address, so that the boards find it; nobody
    else can take it meanwhile."""

    def __init__(self, folder: Path, signing_pem: bytes) -> None:
        self.data = folder / "data"
        self.data.mkdir(mode=0o700)
        (self.data / "signing.pem").write_bytes(signing_pem)
        (self.data / "signing.pem").chmod(0o600)
        self._port = held_port()
        self.server = Server(self.data, port=self._port.getsockname()[1])
        self.address = f"http://127.0.0.1:{self.server.port}"
        self.trusted = [modulus_of_pem(signing_pem)]
        self.group: dict[str, Any] = self.server.group("kitchen", "kettle")
        self._folder = folder

    def close(self) -> None:
        """The server is killed, and its address anybody's."""
        self.kill()
        self._port.close()

    def kill(self) -> None:
        if self.server.process.poll() is None:
            self.server.stop(signal.SIGKILL)

    def start(self) -> None:
        self.server = Server(self.data, port=self.server.port)

    def publish(self, image: bytes, version: str, **fields: object) -> dict[str, Any]:
        answer = self.server.publish(image, version, **fields)
        assert answer.status == 201, answer.body
        release: dict[str, Any] = answer.json
        return release

    def flash(self, device: str = "kettle-7", **settings: Any) -> Path:
        path = self._folder / f"{device}.bin"
        return make_flash(path, self.address, self.group, self.trusted, device=device, **settings)

    def device(self, device: str = "kettle-7") -> dict[str, Any]:
        seen: dict[str, Any] = self.server.api("GET", f"/devices/{device}").json
        return seen

    def events(self, device: str = "kettle-7") -> list[tuple[str, str, str]]:
        """(event, version, reason), oldest first."""
        return [(e["event"], e["version"], e["reason"] or "") for e in reversed(self.device(device)["events"])]

    def explain(self, device: str = "kettle-7") -> dict[str, Any]:
        explained: dict[str, Any] = self.server.api("GET", f"/devices/{device}/explain").json
        return explained


@pytest.fixture
def make_site(tmp_path: Path, signing_pem: bytes) -> Iterator[Callable[[], Site]]:
    sites: list[Site] = []

    def make() -> Site:
        sites.append(Site(tmp_path, signing_pem))
        return sites[-1]

    yield make
    for site in sites:
        site.close()


@pytest.fixture
def site(make_site: Callable[[], Site]) -> Site:
    return make_site()


@pytest.fixture(scope="session")
def owner() -> rsa.RSAPrivateKey:
    """The key of an owner who signs for themselves, made once."""
    return rsa.generate_private_key(65537, 3072)


@pytest.fixture(scope="session")
def successor() -> rsa.RSAPrivateKey:
    """The key that an owner changes to, made once."""
    return rsa.generate_private_key(65537, 3072)


@pytest_asyncio.fixture
async def kettle(owner: rsa.RSAPrivateKey, tmp_path: Path) -> AsyncIterator[Kettle]:
    async with Impostor() as server:
        yield Kettle(server, owner, tmp_path)

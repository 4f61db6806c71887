"""A server on a directory of the test's own."""

import secrets
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from .clients import Board, Server
from .kaa import Kaa
from .people import USER
from .socketxp import SocketXP

if TYPE_CHECKING:
    from .issuer import KeyServer


@pytest.fixture(scope="session")
def publisher() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 3072)


@pytest.fixture(scope="session")
def server_pem() -> bytes:
    """A server's key, so that not every test waits for a new one."""
    form, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return rsa.generate_private_key(65537, 3072).private_bytes(serialization.Encoding.PEM, form, none)


def new_data(folder: Path, server_pem: bytes) -> Path:
    """A data directory that has this key, and nothing else yet."""
    folder.mkdir(mode=0o700)
    (folder / "signing.pem").write_bytes(server_pem)
    (folder / "signing.pem").chmod(0o600)
    return folder


@pytest.fixture
def data(tmp_path: Path, server_pem: bytes) -> Path:
    """A data directory for a server inside the test."""
    return new_data(tmp_path / "inside", server_pem)


@pytest.fixture
def start(tmp_path: Path, server_pem: bytes) -> Iterator[Callable[..., Server]]:
    """Starts a server on the test's data directory; it is killed at the end."""
    data = new_data(tmp_path / "data", server_pem)
    started: list[Server] = []

    def begin(**options: int) -> Server:
        started.append(Server(data, **options))
        return started[-1]

    yield begin
    for server in started:
        if server.process.poll() is None:
            server.stop(signal.SIGKILL)
        server.process.stdout.close()
        server.process.stderr.close()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the many tests that end with nothing changed; `kettle` never gets a release there."""
    server = Server(tmp_path_factory.mktemp("shared") / "data")
    yield server
    server.stop(signal.SIGKILL)


@pytest.fixture
def server(start: Callable[..., Server]) -> Server:
    return start()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, server_pem: bytes) -> Iterator[Server]:
    """A server whose first user is anna; each test leaves her and her account's users as they were."""
    server = Server(new_data(tmp_path_factory.mktemp("site") / "data", server_pem))
    server.made = server.set_up()
    yield server
    server.stop(signal.SIGKILL)


@pytest.fixture
def anna(site: Server) -> str:
    """A token of hers."""
    return site.log_in().json["access_token"]


@pytest.fixture
def otto(site: Server) -> Iterator[dict]:
    """A user who may read groups."""
    made = site.api("POST", "/users", USER)
    assert made.status == 201, made.body
    yield made.json
    site.api("DELETE", f"/users/{made.json['id']}")


@pytest.fixture
def key_server() -> Iterator["KeyServer"]:
    """An issuer's server of keys."""
    from .issuer import KeyServer

    server = KeyServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def kaa_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the tests of Kaa's routes, each of which has an application of its own."""
    server = Server(tmp_path_factory.mktemp("kaa") / "data")
    yield server
    server.stop(signal.SIGKILL)


@pytest.fixture
def kaa(kaa_host: Server) -> Kaa:
    """A client, with the name of an application that no other test has."""
    return Kaa(kaa_host, f"kettle-{secrets.token_hex(6)}")


@pytest.fixture(scope="session")
def socketxp_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the tests of SocketXP's routes, each of which has workflows, groups and devices of its own."""
    server = Server(tmp_path_factory.mktemp("socketxp") / "data")
    yield server
    server.stop(signal.SIGKILL)


@pytest.fixture
def socketxp(socketxp_host: Server) -> SocketXP:
    """A client; what it lists is what it has made."""
    return SocketXP(socketxp_host)


@pytest.fixture
def board(server: Server) -> Board:
    """`board-1`, which is known."""
    board = server.board(server.group())
    board.check()
    return board


@pytest.fixture(scope="session")
def known(shared: Server) -> str:
    """A device of the shared server, by its id; it never checks in again."""
    shared.board(shared.group(), "everyware-1").check()
    return "everyware-1"

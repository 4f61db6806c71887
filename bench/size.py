"""What the device package takes: `.mpy` bytes for each module, and the smallest heap in which a signed delta update,
agent and imports included, goes through on the 32-bit build."""

import ast
import asyncio
import datetime
import json
import shutil
import ssl
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from devices import TWINSLOT, Process, deltas, running, twinslot
from twinslot_sim import applications, factory, micropython
from twinslot_sim.board import Board
from twinslot_tools import provision
from twinslot_tools.board_files import board_files

PACKAGE = Path(__file__).resolve().parents[1] / "firmware" / "twinslot"
BUDGET_BYTES = 40 * 1024
HEAP_GOAL_KIB = 96
IMAGE_BYTES = 400_000
PATIENCE_S = 25
CA = "/twinslot-ca.pem"


def modules() -> None:
    """The size of each module is printed, and the sums: of what an update needs, against the budget, and of the rest,
    which is loaded for operations and packages only."""
    files = board_files()
    sizes = {PurePosixPath(path).stem: len(data) for path, data in files.items() if path.endswith(".mpy")}
    needed = imported("__init__") | imported("download")
    for name, size in sorted(sizes.items(), key=lambda item: (item[0] not in needed, -item[1])):
        print(f"{size:7,} {name}{'' if name in needed else ' (operations)'}")
    total = sum(sizes[name] for name in needed)
    print(f"{total:7,} bytes of .mpy for updates, {total / BUDGET_BYTES:.2f} of the budget of {BUDGET_BYTES:,}")
    print(f"{sum(sizes.values()) - total:7,} bytes more for operations and packages")


def imported(name: str) -> set[str]:
    """The module of the device package, and all that it imports when it is imported itself, and so on."""
    found: set[str] = set()
    wanted = {name}
    while wanted:
        found |= wanted
        trees = [ast.parse((PACKAGE / f"{each}.py").read_text()) for each in wanted]
        nodes = [node for tree in trees for node in tree.body if isinstance(node, ast.ImportFrom) and node.level]
        names = {node.module or each.name for node in nodes for each in node.names}
        wanted = {each for each in names - found if (PACKAGE / f"{each}.py").is_file()}
    return found


def certificate(folder: Path) -> tuple[ssl.SSLContext, bytes]:
    """A context for localhost, and the certificate to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    pem = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    form, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file = folder / "server.pem"
    file.write_bytes(pem + key.private_bytes(serialization.Encoding.PEM, form, none))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, pem


@asynccontextmanager
async def over_tls(server: Process, context: ssl.SSLContext) -> AsyncIterator[str]:
    """The server's address over TLS, within the block."""
    port = int(server.address.rsplit(":", 1)[1])

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))

    front = await asyncio.start_server(relay, "127.0.0.1", 0, ssl=context)
    async with front:
        yield f"https://localhost:{front.sockets[0].getsockname()[1]}"


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        return  # one side has gone, and the other will
    finally:
        writer.close()


async def confirms(flash: Path, version: str, heap_kib: int) -> bool:
    """Whether a board with that heap has confirmed the version; an update takes a few seconds."""
    board = Board(flash, interpreter=micropython.find(), heap_bytes=heap_kib * 1024)
    ran = asyncio.ensure_future(board.run())
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not ran.done():
                record: dict[str, Any] = board.record() or {}
                if record and record["confirmed"]["version"] == version and not record["report"]:
                    return True
                await asyncio.sleep(0.1)
    except TimeoutError:
        pass
    finally:
        board.power_off()
        await ran
    return False


async def smallest_heap_kib(flash: Path, version: str) -> int:
    """The smallest heap, in KiB, with which a board that starts from this flash confirms the version."""
    too_small, enough = 40, 128
    trial = flash.with_suffix(".try")
    while enough - too_small > 1:
        heap_kib = (too_small + enough) // 2
        shutil.copyfile(flash, trial)
        if await confirms(trial, version, heap_kib):
            enough = heap_kib
        else:
            too_small = heap_kib
        print(f"  {heap_kib} KiB: {'enough' if enough == heap_kib else 'too small'}", flush=True)
    return enough


async def main() -> None:
    modules()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = folder / "data"
        with running(TWINSLOT, "serve", "--data", str(data), "--port", "0") as server:
            group = twinslot(server, data, "group", "create", "size", "--app", "kettle")
            context, pem = certificate(folder)
            async with over_tls(server, context) as address:
                flashes = {}
                for kind, base in (("HTTP", server.address), ("TLS", address)):
                    known = await provision.ask_group(server.address, group["id"], group["token"], kind)
                    settings = provision.configuration(
                        known, kind, app="kettle", version="1.0.0", poll_s=1, trial_s=PATIENCE_S
                    )
                    settings |= {"server": base, "ca": CA if kind == "TLS" else None, "clock_s": int(time.time())}
                    files = {**board_files(), "/twinslot.json": json.dumps(settings).encode(), CA: pem}
                    flashes[kind] = folder / f"{kind}.bin"
                    factory.make_flash(flashes[kind], applications.app_image("kettle", "1.0.0"), files)
                await published(server, data, folder, "1.1.0")
                for flash in flashes.values():
                    assert await confirms(flash, "1.1.0", 128)
                await published(server, data, folder, "1.2.0")
                trial = folder / "first.bin"
                shutil.copyfile(flashes["HTTP"], trial)
                await confirms(trial, "1.2.0", 128)  # its check-in is what makes the server build the delta
                await deltas(server, 1)
                for kind, flash in flashes.items():
                    print(f"a delta update over {kind}:")
                    heap_kib = await smallest_heap_kib(flash, "1.2.0")
                    print(f"{heap_kib} KiB of heap are enough, {heap_kib / HEAP_GOAL_KIB:.2f} of {HEAP_GOAL_KIB}")


async def published(server: Process, data: Path, folder: Path, version: str) -> None:
    """The release is there for all."""
    image = folder / f"{version}.bin"
    image.write_bytes(applications.app_image("kettle", version, size_bytes=IMAGE_BYTES))
    twinslot(server, data, "publish", str(image), "--app", "kettle", "--version", version)


asyncio.run(main())

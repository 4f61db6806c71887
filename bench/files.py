"""An application made of files: 40 of them, 200 KiB, of which another version differs in one line."""

from functools import cache
from pathlib import Path

from .boards import APP
from .devices import Process, twinslot

FILES = 40
FILE_BYTES = 5 * 1024
_TEXTS = Path(__file__).resolve().parents[1] / "host"
_LINE = b"a line that was not there before\n"


def files(application: bytes, *, mended: bool = False) -> dict[str, bytes]:
    """By path: `app.py`, and texts that compress as code does; one of them has a line more when it is mended."""
    text = _text()
    pieces = [text[at : at + FILE_BYTES] for at in range(0, (FILES - 1) * FILE_BYTES, FILE_BYTES)]
    middle = FILE_BYTES // 2
    if mended:
        pieces[FILES // 2] = pieces[FILES // 2][:middle] + _LINE + pieces[FILES // 2][middle:]
    return {f"texts/{number}.txt": piece for number, piece in enumerate(pieces)} | {"app.py": application}


@cache
def _text() -> bytes:
    return b"".join(path.read_bytes() for path in sorted(_TEXTS.rglob("*.py")))


def publish_files(server: Process, data: Path, version: str, content: dict[str, bytes]) -> None:
    """The release with a bundle of these files is there for all."""
    folder, file = data.parent / version, data.parent / f"{version}.tar.gz"
    for name, each in content.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(each)
    twinslot(server, data, "bundle", str(folder), "--out", str(file))
    twinslot(server, data, "publish", str(file), "--app", APP, "--version", version)

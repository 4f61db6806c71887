"""Files on their way to the server: parts of a form, straight from the disk, with a bar while somebody looks."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from twinslot_tools.errors import BadFile
from twinslot_tools.output import printable

OnSent = Callable[[int], None]


def append_part(
    body: aiohttp.MultipartWriter,
    name: str,
    content: str | bytes | io.BufferedReader,
    media: str,
    file_name: str = "",
    *,
    quoted: bool = True,
) -> None:
    """The form has one more part. `quoted`: what is not plain in its file name is percent-encoded, slashes too."""
    names = {"name": name, "filename": file_name} if file_name else {"name": name}
    body.append(content, {"Content-Type": media}).set_content_disposition("form-data", quote_fields=quoted, **names)


def opened(path: Path, on_sent: OnSent) -> io.BufferedReader:
    """The file, for a part of a form; `on_sent` hears how many more bytes of it have left. Raises `BadFile`."""
    try:
        return _Watched(io.FileIO(path), on_sent)
    except OSError as error:
        raise BadFile(f"can't read {path}: {error.strerror}") from error


class _Watched(io.BufferedReader):
    """A file that tells how much of it has been read."""

    def __init__(self, raw: io.FileIO, on_read: OnSent) -> None:
        super().__init__(raw)
        self._on_read = on_read

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self._on_read(len(data))
        return data


@contextmanager
def progress_bar(name: str, size_bytes: int, *, shown: bool) -> Iterator[OnSent]:
    """A bar on standard error while `size_bytes` are sent, when there are any and somebody looks."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    errors = Console(stderr=True)
    hidden = not (shown and size_bytes and errors.is_terminal)
    with Progress(*columns, console=errors, transient=True, disable=hidden) as progress:
        task = progress.add_task(f"uploading {printable(name)}", total=size_bytes)
        yield lambda sent_bytes: progress.advance(task, sent_bytes)

"""The process in which a transfer against a base is made: `python -m twinslot_host.delta_worker NICENESS IMAGE BASE`.

Its standard output is the transfer and nothing else. It ends with whoever holds the other end of its standard input,
however that ends.
"""

import os
import sys
import threading
from pathlib import Path

from twinslot_host.domain import transfer


def main(niceness: str, image: str, base: str) -> None:
    """The transfer of the file `image` to devices that run the file `base` is on standard output."""
    os.nice(int(niceness))
    threading.Thread(target=_end_with_server, daemon=True).start()
    sys.stdout.buffer.write(transfer.build(Path(image).read_bytes(), Path(base).read_bytes()))


def _end_with_server() -> None:
    os.read(0, 1)  # not by sys.stdin, whose lock this would hold while the interpreter ends
    os._exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])

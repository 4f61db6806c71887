"""What a transfer costs beside the best patch that can't be resumed, and beside the image: pairs of real programs."""

import io
import time

import detools

from twinslot_host.domain import transfer

from .programs import SLOT_BYTES, pairs

COLUMNS = "{:20}{:>11}{:>11}{:>11}{:>11}{:>9}{:>9}{:>9}{:>8}"
HEAD = ("image, KiB", "transfer", "one patch", "no base", "/patch", "/image", "/no base", "s")


def best_patch(old: bytes, new: bytes) -> int:
    """The bytes of detools' own patch of the whole image, with lzma, which no board can undo in its RAM."""
    patch = io.BytesIO()
    detools.create_patch(io.BytesIO(old), io.BytesIO(new), patch, compression="lzma")
    return len(patch.getvalue())


def line(name: str, sizes: list[int], took_s: float) -> str:
    """A row of the table, of the bytes of the image, its transfer, the best patch and the transfer without a base."""
    image, ours, patch, whole = sizes
    ratios = (f"{ours / size:.3f}" for size in (patch, image, whole))
    return COLUMNS.format(name, *(f"{size / 1024:.1f}" for size in sizes), *ratios, f"{took_s:.1f}")


def main() -> None:
    print(COLUMNS.format("", *HEAD))
    totals = [0, 0, 0, 0]
    all_s = 0.0
    for name, old, new in pairs():
        assert len(new) <= SLOT_BYTES
        began_s = time.perf_counter()
        ours = len(transfer.build(new, old))
        took_s = time.perf_counter() - began_s
        sizes = [len(new), ours, best_patch(old, new), len(transfer.build(new))]
        print(line(name, sizes, took_s), flush=True)
        totals = [total + size for total, size in zip(totals, sizes, strict=True)]
        all_s += took_s
    print(line("all", totals, all_s))


main()

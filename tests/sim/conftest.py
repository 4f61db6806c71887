"""What several tests of the simulated chip use."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from twinslot_sim.nor import Nor, PowerCut

KEEP_BYTES = (0, 1, 2, 3, 4, 8, 24, 28, 31, 32, 255, 4000, 4096)

CutEverywhere = Callable[[bytes, Callable[[Nor], object]], Iterator[tuple[int, int]]]


@pytest.fixture
def flash_path(tmp_path: Path) -> Path:
    """Where the test's flash lies."""
    return tmp_path / "flash.bin"


@pytest.fixture
def cut_everywhere(flash_path: Path) -> CutEverywhere:
    """A loop over all power cuts of a step: each time, `flash_path` holds what the cut left of `before`.

    It yields the operation and the number of its bytes that took effect, and ends once the step runs through.
    """

    def cuts(before: bytes, step: Callable[[Nor], object]) -> Iterator[tuple[int, int]]:
        op = 1
        while True:
            for keep in KEEP_BYTES:
                flash_path.write_bytes(before)
                with Nor(flash_path, cut_at_op=op, keep_bytes=keep) as nor:
                    try:
                        step(nor)
                    except PowerCut:
                        pass
                    else:
                        assert op > 1, "the step wrote nothing"
                        return
                yield op, keep
            op += 1

    return cuts

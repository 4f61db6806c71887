"""What the server is told of the packages that are installed. Loaded when it asks, and gone again."""

import sys

from micropython import const

from .liaison import NO_PACKAGES

TYPE_CHECKING = const(False)
if TYPE_CHECKING:
    from .liaison import Liaison


async def tell(liaison: "Liaison") -> None:
    """The server knows which packages are installed. Raises Unreachable, or Rejected when it does not take that."""
    body: dict = {"digest": NO_PACKAGES, "packages": []}
    packages = sys.modules.get("twinslot.packages")
    if packages:
        body = {"digest": packages.digest(), "packages": packages.inventory()}
    await liaison.ask("/inventory", body)

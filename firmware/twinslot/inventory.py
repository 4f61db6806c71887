"""What the server is told of the packages that are installed. Imported when it asks."""

import json
import sys

from .liaison import NO_PACKAGES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .liaison import Liaison

_MAX_BYTES = 8000


async def tell(liaison: "Liaison") -> None:
    """The server knows which packages are installed. Raises Unreachable, or Rejected when it does not take that."""
    body: dict = {"digest": NO_PACKAGES, "packages": []}
    packages = sys.modules.get("twinslot.packages")
    if packages:
        body = {"digest": packages.digest(), "packages": packages.inventory()}
        if len(json.dumps(body)) > _MAX_BYTES:
            body["packages"] = [dict(package, modules=[]) for package in body["packages"]]
    await liaison.ask("/inventory", body)

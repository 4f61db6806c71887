"""Whether a bundle lies in a tree. Loaded for that, and gone afterwards."""

from binascii import hexlify

from . import listing
from .errors import TransferError
from .files import Files
from .log import log


async def lies_in(root: str, size: int, digest: str, piece: memoryview) -> bool:
    """Whether a bundle, whose list has `size` bytes and the SHA-256 `digest`, hex, lies whole below `root`, as read
    back from flash."""
    files = Files(root, piece)
    try:
        if await files.digest(listing.NAME) != digest:
            return False
        with open(root + listing.NAME, "rb") as file:
            listed = listing.Listing(file.read(size + 1))
        for number in range(listed.count):
            if await files.digest(listed.path(number)) != hexlify(listed.digest(number)).decode():
                return False
        return True
    except (OSError, TransferError) as error:
        log("{}: {}".format(root, error))
        return False

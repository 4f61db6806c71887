"""The pages of ESP-IDF's non-volatile storage: which is written, and how room is made.

Pages are filled one after the other. One is always free: when it is needed, the page with the most unused entries is
copied into it and then erased. Source: nvs_pagemanager.cpp.

Power loss: the page to be copied is marked FREEING first. While one is so marked, its copy counts for nothing, and
opening the storage makes it anew.
"""

from collections.abc import Callable, Iterator

from twinslot_sim.errors import Esp, EspError
from twinslot_sim.nor import SECTOR_SIZE, Nor
from twinslot_sim.nvs_item import Item
from twinslot_sim.nvs_page import ENTRIES, Page, PageState

_IN_USE = (PageState.ACTIVE, PageState.FULL, PageState.FREEING)


class Pages:
    """The pages in use, oldest first, and the free ones; what power cuts left half done has been put right.

    Raises EspError ESP_ERR_NVS_NO_FREE_PAGES when the partition holds something else.
    """

    def __init__(self, nor: Nor, offset: int, size: int) -> None:
        loaded = [Page(nor, address) for address in range(offset, offset + size, SECTOR_SIZE)]
        for page in loaded:
            page.load()
        self._used = sorted((page for page in loaded if page.state in _IN_USE), key=lambda page: page.sequence)
        self._free = [page for page in loaded if page.state not in _IN_USE]
        self._sequence = self._used[-1].sequence + 1 if self._used else 0
        if not self._used:
            self._activate()
        self._erase_twin_of_newest()
        self._finish_freeing()
        if not self._free:
            raise EspError(Esp.ESP_ERR_NVS_NO_FREE_PAGES)

    @property
    def last(self) -> Page:
        """The page that is written."""
        return self._used[-1]

    @property
    def count(self) -> int:
        """All pages, the free ones too."""
        return len(self._used) + len(self._free)

    def items(self, wanted: Callable[[Item], bool]) -> Iterator[tuple[Page, int, Item]]:
        """The items that are `wanted`, each with its page and the index of its first entry there."""
        for page in self._used:
            for index, item in page.items():
                if wanted(item):
                    yield page, index, item

    def next(self) -> None:
        """The last page is another one, with more room if there is any (PageManager::requestNewPage).

        Raises EspError ESP_ERR_NVS_NOT_ENOUGH_SPACE when nothing was ever erased, ESP_ERR_NVS_INVALID_STATE when flash
        did not take what was written last.
        """
        if self.last.state == PageState.INVALID:
            raise EspError(Esp.ESP_ERR_NVS_INVALID_STATE)
        if self.last.state == PageState.ACTIVE:
            self.last.advance(PageState.FULL)
        if len(self._free) >= 2:
            self._activate()
            return
        emptiest = min(self._used, key=lambda page: page.used)
        if emptiest.used == ENTRIES:
            raise EspError(Esp.ESP_ERR_NVS_NOT_ENOUGH_SPACE)
        emptiest.advance(PageState.FREEING)
        # CUT: nothing is copied yet; opening the storage does it
        self._activate()
        self._move_to_last(emptiest)

    def _activate(self) -> None:
        page = self._free.pop(0)
        if page.state == PageState.CORRUPT:
            page.clear()
        page.sequence = self._sequence
        self._sequence += 1
        self._used.append(page)

    def _move_to_last(self, page: Page) -> None:
        page.copy_to(self.last)
        # CUT: the copy is thrown away and made again
        page.clear()
        self._used.remove(page)
        self._free.append(page)

    def _erase_twin_of_newest(self) -> None:
        """Of the item written last there is no older one in an earlier page; `Page.load` has seen to its own."""
        newest = [item for _, item in self.last.items()][-1:]
        for page in self._used[:-1]:
            for index, item in page.items():
                if page.state != PageState.FREEING and newest and _are_twins(item, newest[0]):
                    page.erase(index, item.span)
                    return

    def _finish_freeing(self) -> None:
        freeing = next((page for page in self._used if page.state == PageState.FREEING), None)
        if freeing is None:
            return
        if self.last.state == PageState.ACTIVE:
            copy = self._used.pop()
            copy.clear()
            self._free.append(copy)
        self._activate()
        self._move_to_last(freeing)


def _are_twins(one: Item, other: Item) -> bool:
    return (one.identity, one.type) == (other.identity, other.type)

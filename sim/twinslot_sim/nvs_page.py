"""A page of ESP-IDF's non-volatile storage, format version 2.

| offset | type | field |
| --- | --- | --- |
| 0 | u32 | state: each state clears a bit of the one before |
| 4 | u32 | sequence: pages in the order in which they were begun |
| 8 | u8, 19 bytes | version 0xFE; unused |
| 28 | u32 | CRC-32 of bytes 4 to 27 |
| 32 | 32 bytes | two bits an entry: 3 empty, 2 written, 0 erased |
| 64 | 126 times 32 bytes | entries |

The items are those of `nvs_item`. The CRC is seeded with 0xFFFFFFFF. Source: nvs_page.cpp.

Power loss: an entry counts only once its two bits say so, and they are programmed after it. What was written and not
yet marked is marked erased by the next `load`, as is an item of which not every entry is marked.
"""

import struct
from enum import IntEnum

from twinslot_sim.errors import Esp, EspError
from twinslot_sim.nor import SECTOR_SIZE, Nor
from twinslot_sim.nvs_item import ENTRY_BYTES, Item, crc, unpack

ENTRIES = 126
CHUNK_MAX_BYTES = (ENTRIES - 1) * ENTRY_BYTES

_HEADER = struct.Struct("<IIB19s")
_HEADER_BYTES = 32
_VERSION_2 = 0xFE
_FIRST_ENTRY = 64
_WORD_ENTRIES = 16

_EMPTY = 3
_WRITTEN = 2
_ERASED = 0


class PageState(IntEnum):
    """How far a page has come."""

    UNINITIALIZED = 0xFFFFFFFF
    ACTIVE = 0xFFFFFFFE
    FULL = 0xFFFFFFFC
    FREEING = 0xFFFFFFF8
    CORRUPT = 0xFFFFFFF0
    INVALID = 0


class Page:
    """One page and what is known of it in RAM."""

    def __init__(self, nor: Nor, address: int) -> None:
        self.state = PageState.UNINITIALIZED
        self.sequence = 0
        self.next_free = 0
        self._nor = nor
        self._address = address
        self._entries = [_EMPTY] * ENTRIES
        self._items: dict[int, Item] = {}

    @property
    def used(self) -> int:
        """Entries that hold something."""
        return self._entries.count(_WRITTEN)

    @property
    def tailroom_bytes(self) -> int:
        """How much data one more item could carry here."""
        if self.state == PageState.UNINITIALIZED:
            return CHUNK_MAX_BYTES
        if self.state != PageState.ACTIVE:
            return 0
        return max(0, ENTRIES - self.next_free - 1) * ENTRY_BYTES

    def load(self) -> None:
        """What is in flash is known, and what power cuts left half done is marked erased.

        Raises EspError ESP_ERR_NVS_NEW_VERSION_FOUND for a page of another format.
        """
        page = self._nor.read(self._address, SECTOR_SIZE)
        state, self.sequence, version, _ = _HEADER.unpack_from(page)
        if page == b"\xff" * SECTOR_SIZE:
            self.state = PageState.UNINITIALIZED
            return
        header_is_right = page[_HEADER_BYTES - 4 : _HEADER_BYTES] == crc(page[4 : _HEADER_BYTES - 4])
        if not header_is_right or state not in (PageState.ACTIVE, PageState.FULL, PageState.FREEING):
            self.state = PageState.CORRUPT
            return
        if version < _VERSION_2:
            raise EspError(Esp.ESP_ERR_NVS_NEW_VERSION_FOUND)
        self.state = PageState(state)
        table = int.from_bytes(page[_HEADER_BYTES:_FIRST_ENTRY], "little")
        self._entries = [table >> 2 * index & 3 for index in range(ENTRIES)]
        self.next_free = next((i for i, entry in enumerate(self._entries) if entry == _EMPTY), ENTRIES)
        if self.state == PageState.ACTIVE:
            self._skip_unmarked()
        self._take_items(page)

    def items(self) -> list[tuple[int, Item]]:
        """The items here with the index of their first entry, in the order in which they were written."""
        return list(self._items.items())

    def holds(self, index: int, item: Item) -> bool:
        """Whether flash reads as `item` there, which is asked whenever one is looked for (nvs_page.cpp, findItem)."""
        return self._nor.read(self._entry_address(index), ENTRY_BYTES) == item.pack()

    def fits(self, span: int) -> bool:
        """True when an item of so many entries can be written here."""
        if self.state == PageState.UNINITIALIZED:
            return span <= ENTRIES
        return self.state == PageState.ACTIVE and self.next_free + span <= ENTRIES

    def write(self, item: Item, data: bytes = b"") -> None:
        """`item` is here, with `data` in the entries after it; there must be room."""
        head = item.pack()
        if self.state == PageState.UNINITIALIZED:
            self._begin()
        index = self.next_free
        self._write_entries(head)
        # CUT: an item without all of its data is erased by `load`
        whole = len(data) // ENTRY_BYTES * ENTRY_BYTES
        for part in (data[:whole], data[whole:]):
            if part:
                self._write_entries(part.ljust(-(-len(part) // ENTRY_BYTES) * ENTRY_BYTES, b"\xff"))
        self._items[index] = item

    def data(self, index: int, item: Item) -> bytes | None:
        """The data that follows `item`; None when its CRC is wrong."""
        data = self._nor.read(self._entry_address(index + 1), item.data_size)
        return data if crc(data) == item.data_crc else None

    def erase(self, index: int, span: int) -> None:
        """The item that begins at `index` is no more, from its last entry to its first."""
        self._items.pop(index, None)
        self._mark(index, span, _ERASED)
        self.next_free = max(self.next_free, index + span)

    def advance(self, state: PageState) -> None:
        """The page is FULL or FREEING."""
        self._program(self._address, state.to_bytes(4, "little"))
        self.state = state

    def copy_to(self, other: "Page") -> None:
        """All that is written here is in `other` too (nvs_page.cpp, copyItems)."""
        for index, item in self.items():
            if other.state == PageState.UNINITIALIZED:
                other._begin()
            other._items[other.next_free] = item
            for entry in range(index, index + item.span):
                other._write_entries(self._nor.read(self._entry_address(entry), ENTRY_BYTES))

    def clear(self) -> None:
        """The page is erased."""
        self._nor.erase(self._address, SECTOR_SIZE)
        self.state = PageState.UNINITIALIZED
        self.next_free = 0
        self._entries = [_EMPTY] * ENTRIES
        self._items = {}

    def _program(self, address: int, data: bytes) -> None:
        """Raises EspError when flash does not take it; then nothing is found or written here until the storage is
        opened anew (nvs_page.cpp, PageState::INVALID)."""
        try:
            self._nor.program(address, data)
        except EspError:
            self.state, self._items = PageState.INVALID, {}
            raise

    def _begin(self) -> None:
        body = _HEADER.pack(PageState.ACTIVE, self.sequence, _VERSION_2, b"\xff" * 19)
        # CUT: a header whose CRC is wrong makes the page corrupt, which is as good as free
        self._program(self._address, body + crc(body[4:]))
        self.state = PageState.ACTIVE

    def _write_entries(self, data: bytes) -> None:
        self._program(self._entry_address(self.next_free), data)
        # CUT: written and not marked: `load` marks it erased
        count = len(data) // ENTRY_BYTES
        self._mark(self.next_free, count, _WRITTEN)
        self.next_free += count

    def _mark(self, index: int, count: int, state: int) -> None:
        """The bits of these entries are `state`; the words are programmed from the last to the first."""
        self._entries[index : index + count] = [state] * count
        last, first = (index + count - 1) // _WORD_ENTRIES, index // _WORD_ENTRIES
        for word in range(last, first - 1, -1):
            entries = self._entries[word * _WORD_ENTRIES : (word + 1) * _WORD_ENTRIES]
            bits = sum(entry << 2 * position for position, entry in enumerate(entries))
            bits |= -1 << 2 * len(entries) & 0xFFFFFFFF
            self._program(self._address + _HEADER_BYTES + 4 * word, bits.to_bytes(4, "little"))

    def _skip_unmarked(self) -> None:
        """Entries that were written, and not marked before power failed, are marked erased."""
        while self.next_free < ENTRIES:
            if self._nor.read(self._entry_address(self.next_free), 4) == b"\xff" * 4:
                return
            self._mark(self.next_free, 1, _ERASED)
            self.next_free += 1

    def _take_items(self, page: bytes) -> None:
        """The items are known; erased are those with a wrong CRC or an entry not marked, and earlier twins."""
        indices: dict[tuple[int, str, int], int] = {}
        index = 0
        while index < ENTRIES:
            at = _FIRST_ENTRY + index * ENTRY_BYTES
            item = unpack(page[at : at + ENTRY_BYTES]) if self._entries[index] == _WRITTEN else None
            span = item.span if item and 0 < item.span <= ENTRIES - index else 1
            if item and self._entries[index : index + item.span] == [_WRITTEN] * span:
                twin = indices.get(item.identity)
                if twin is not None:
                    self.erase(twin, self._items[twin].span)
                indices[item.identity] = index
                self._items[index] = item
            elif self._entries[index] == _WRITTEN:
                self.erase(index, span)
            index += span

    def _entry_address(self, index: int) -> int:
        return self._address + _FIRST_ENTRY + index * ENTRY_BYTES

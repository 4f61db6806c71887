"""ESP-IDF's non-volatile storage, format version 2, as `esp32.NVS` uses it: numbers and blobs by namespace and key.

A blob is stored in chunks, numbered from 0 or from 0x80, and an index that says which of the two series holds.
Source: nvs_storage.cpp.

Power loss: a new value is written whole before the old one is erased, and a blob's chunks before its index. Cut
between, opening the storage finds two values and erases the older, or finds chunks without an index and erases those.
"""

import struct
from collections.abc import Callable

from twinslot_sim import nvs_item
from twinslot_sim.errors import Esp, EspError
from twinslot_sim.nor import Nor
from twinslot_sim.nvs_item import CHUNK_ANY, ENTRY_BYTES, SERIES_BIT, Item, ItemType
from twinslot_sim.nvs_page import CHUNK_MAX_BYTES
from twinslot_sim.nvs_pages import Pages

_NAMESPACES = 0
_NAMESPACE_MAX = 254


class Nvs:
    """The storage in `size` bytes of flash at `offset`; what power cuts left half done has been put right.

    Raises EspError: ESP_ERR_NVS_NO_FREE_PAGES or ESP_ERR_NVS_NEW_VERSION_FOUND when the partition holds something else;
    erase it then. Reading raises ESP_ERR_NVS_NOT_FOUND, also for a value of another type. Writing raises
    ESP_ERR_NVS_KEY_TOO_LONG (names have at most 15 bytes), ESP_ERR_NVS_VALUE_TOO_LONG and
    ESP_ERR_NVS_NOT_ENOUGH_SPACE; the old value stays.
    """

    def __init__(self, nor: Nor, offset: int, size: int) -> None:
        self._pages = Pages(nor, offset, size)
        self._namespaces = {
            item.key: item.value[0]
            for _, _, item in self._pages.items(lambda item: item.namespace == _NAMESPACES and item.type == ItemType.U8)
        }
        self._erase_orphans()

    def open(self, namespace: str) -> None:
        """`namespace` exists, as after `esp32.NVS(namespace)`."""
        if namespace not in self._namespaces:
            free = set(range(1, _NAMESPACE_MAX + 1)).difference(self._namespaces.values())
            if not free:
                raise EspError(Esp.ESP_ERR_NVS_NOT_ENOUGH_SPACE)
            self._write(nvs_item.number(_NAMESPACES, ItemType.U8, namespace, bytes([min(free)])))
            self._namespaces[namespace] = min(free)

    def get_i32(self, namespace: str, key: str) -> int:
        """The number under `key`."""
        item = self._find(self._index(namespace), ItemType.I32, key)
        if item is None:
            raise EspError(Esp.ESP_ERR_NVS_NOT_FOUND)
        return int.from_bytes(item.value[:4], "little", signed=True)

    def set_i32(self, namespace: str, key: str, value: int) -> None:
        """The number under `key` is `value`; nothing is written when it was already."""
        self.open(namespace)
        new = nvs_item.number(self._index(namespace), ItemType.I32, key, struct.pack("<i", value))
        if self._find(new.namespace, ItemType.I32, key) == new:
            return
        self._write(new)
        # CUT: both are there; the older is erased when the storage is opened
        self._erase(lambda item: (item.namespace, item.key) == (new.namespace, key) and item != new)

    def get_blob(self, namespace: str, key: str) -> bytes:
        """The bytes under `key`."""
        item = self._find(self._index(namespace), ItemType.BLOB_INDEX, key)
        value = self._blob(item) if item else None
        if value is None:
            raise EspError(Esp.ESP_ERR_NVS_NOT_FOUND)
        return value

    def set_blob(self, namespace: str, key: str, value: bytes) -> None:
        """The bytes under `key` are `value`; nothing is written when they were already."""
        self.open(namespace)
        index = self._index(namespace)
        old = self._find(index, ItemType.BLOB_INDEX, key)
        if old and self._blob(old) == value:
            return
        if len(value) > (self._pages.count - 1) * CHUNK_MAX_BYTES:
            raise EspError(Esp.ESP_ERR_NVS_VALUE_TOO_LONG)
        series = SERIES_BIT - old.blob[2] if old else 0
        try:
            self._write_blob(index, key, value, series)
        except EspError:
            self._erase(lambda item: (item.namespace, item.key, item.series) == (index, key, series))
            raise
        # CUT: both indexes are there; the older is erased when the storage is opened, and then its chunks
        self._erase(lambda item: (item.namespace, item.key) == (index, key) and item.series != series)

    def erase_key(self, namespace: str, key: str) -> None:
        """There is nothing under `key` any more."""
        index = self._index(namespace)
        if not self._erase(lambda item: (item.namespace, item.key) == (index, key)):
            raise EspError(Esp.ESP_ERR_NVS_NOT_FOUND)

    def _index(self, namespace: str) -> int:
        if namespace not in self._namespaces:
            raise EspError(Esp.ESP_ERR_NVS_NOT_FOUND)
        return self._namespaces[namespace]

    def _find(self, namespace: int, type: ItemType, key: str) -> Item | None:
        identity = namespace, key, CHUNK_ANY
        found = self._pages.items(lambda item: item.identity == identity and item.type == type)
        return next((item for page, index, item in found if page.holds(index, item)), None)

    def _blob(self, index: Item) -> bytes | None:
        """The bytes of which `index` is the index; None when a chunk is missing or damaged."""
        size, chunks, first = index.blob
        value = b""
        for chunk in range(first, first + chunks):
            value += self._chunk((index.namespace, index.key, chunk)) or b""
        return value if len(value) == size else None

    def _chunk(self, identity: tuple[int, str, int]) -> bytes | None:
        place = next(self._pages.items(lambda item: item.identity == identity), None)
        return place[0].data(place[1], place[2]) if place else None

    def _erase(self, unwanted: Callable[[Item], bool]) -> int:
        """How many items were erased: blobs' indexes before their chunks, so that no index is without a chunk."""
        places = sorted(self._pages.items(unwanted), key=lambda place: place[2].type == ItemType.BLOB_DATA)
        for page, index, item in places:
            page.erase(index, item.span)
        return len(places)

    def _write(self, item: Item) -> None:
        if not self._pages.last.fits(item.span):
            self._pages.next()
            if not self._pages.last.fits(item.span):
                raise EspError(Esp.ESP_ERR_NVS_NOT_ENOUGH_SPACE)
        self._pages.last.write(item)

    def _write_blob(self, namespace: int, key: str, value: bytes, series: int) -> None:
        """Chunks as large as the pages have room for, and then the index (Storage::writeMultiPageBlob)."""
        chunks = written = 0
        while not chunks or written < len(value):
            room = self._pages.last.tailroom_bytes
            if not chunks and (room < len(value) or not room) and room < CHUNK_MAX_BYTES // 10:
                self._pages.next()
                if self._pages.last.tailroom_bytes == room:
                    raise EspError(Esp.ESP_ERR_NVS_NOT_ENOUGH_SPACE)
                continue
            if not room:
                raise EspError(Esp.ESP_ERR_NVS_NOT_ENOUGH_SPACE)
            data = value[written : written + room]
            self._pages.last.write(nvs_item.blob_data(namespace, key, series + chunks, data), data)
            chunks += 1
            written += len(data)
            if written < len(value) or room - len(data) < ENTRY_BYTES:
                self._pages.next()
        # CUT: chunks without an index are erased when the storage is opened
        self._write(nvs_item.blob_index(namespace, key, len(value), chunks, series))

    def _erase_orphans(self) -> None:
        """Each chunk belongs to a blob's index, and each index has all its chunks (Storage::init)."""
        sizes: dict[tuple[int, str, int | None], list[int]] = {}
        for _, _, item in self._pages.items(lambda item: item.type == ItemType.BLOB_DATA):
            sizes.setdefault((item.namespace, item.key, item.series), []).append(item.data_size)
        whole = set()
        for _, _, item in self._pages.items(lambda item: item.type == ItemType.BLOB_INDEX):
            size, chunks, first = item.blob
            found = sizes.get((item.namespace, item.key, first), [])
            if (sum(found), len(found)) == (size, chunks):
                whole.add((item.namespace, item.key, first))
        self._erase(lambda item: item.series is not None and (item.namespace, item.key, item.series) not in whole)

"""What a command prints, from there until the server has it: bounded. Pure.

Lengths are counted as JSON has them, in UTF-8: that is what reports and NVS have room for.
"""

_PIECE = 256


class Output:
    """Text that waits to be told, at most `limit_bytes` of it. `cut`: whether some of what was written was lost.

    It lies in small pieces: a heap in which there is room for all of it may not have it in one.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.cut = False
        self._room = self._limit = limit_bytes
        self._pieces: "list[bytes]" = []

    def __len__(self) -> int:
        return self._limit - self._room

    def write(self, text: str) -> None:
        """The text waits behind what waits already; what there is no room for is lost."""
        data = memoryview(_utf8(text[: self._room + 1]))
        if len(data) > self._room:
            self.cut = True
            data = data[: _boundary(data, self._room)]
        self._room -= len(data)
        if self._pieces and len(self._pieces[-1]) + len(data) <= _PIECE:
            data = memoryview(self._pieces.pop() + bytes(data))
        for at in range(0, len(data), _PIECE):
            self._pieces.append(bytes(data[at : at + _PIECE]))

    def take(self, limit_bytes: int) -> str:
        """The beginning of what waits, as much as takes so many bytes; it waits no longer."""
        taken = bytearray()
        while self._pieces:
            piece = self._pieces.pop(0)
            end = 0
            while end < len(piece) and limit_bytes >= _cost(piece[end]):
                limit_bytes -= _cost(piece[end])
                end += 1
            taken.extend(piece[:end])
            if end < len(piece):
                self._pieces.insert(0, piece[end:])
                break
        if self._pieces:  # letters stay whole
            end = len(taken)
            while end and _continues((self._pieces[0] if end == len(taken) else taken[end:])[0]):
                end -= 1
            self._pieces.insert(0, bytes(taken[end:]))
            taken = taken[:end]
        self._room += len(taken)
        return str(taken, "utf-8")

    def take_end(self, limit_bytes: int) -> str:
        """The end of what waits, as much as takes so many bytes; it waits no longer."""
        taken = b""
        while self._pieces:
            piece = self._pieces.pop()
            start = len(piece)
            while start and limit_bytes >= _cost(piece[start - 1]):
                limit_bytes -= _cost(piece[start - 1])
                start -= 1
            taken = piece[start:] + taken
            if start:
                self._pieces.append(piece[:start])
                break
        start = 0
        while start < len(taken) and _continues(taken[start]):
            start += 1
        self._pieces.append(taken[:start])
        self._room += len(taken) - start
        return str(taken[start:], "utf-8")

    def drop(self) -> None:
        """Nothing waits; all that did is lost."""
        self.cut = self.cut or len(self) > 0
        self._pieces = []
        self._room = self._limit


def clipped(text: str, limit_bytes: int) -> str:
    """The beginning of `text`, as much as takes so many bytes."""
    whole = Output(limit_bytes)
    whole.write(text)
    return whole.take(limit_bytes)


def _utf8(text: str) -> bytes:
    """The text's bytes, which every reader takes: a half of a surrogate pair, which MicroPython makes and passes on
    (py/objstr.c, `utf8_check`), is a question mark."""
    try:
        data = text.encode()
        if len(data) == len(text):
            return data
    except UnicodeError:
        pass
    return "".join(_sound(letter) for letter in text).encode()


def _sound(letter: str) -> str:
    code = ord(letter)
    return "?" if 0xD800 <= code < 0xE000 or code > 0x10FFFF else chr(code)


def _cost(byte: int) -> int:
    """How many bytes JSON has for one of a text (py/objstr.c, `mp_str_print_json`)."""
    if byte in b'"\\\n\r\t':
        return 2
    return 6 if byte < 0x20 else 1


def _continues(byte: int) -> bool:
    return byte & 0xC0 == 0x80


def _boundary(data: memoryview, end: int) -> int:
    """The last place up to `end` at which a letter ends."""
    while 0 < end < len(data) and _continues(data[end]):
        end -= 1
    return end

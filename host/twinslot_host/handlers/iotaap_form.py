"""The form of a group OTA: its fields in any order, the firmware straight to a file."""

from dataclasses import dataclass
from pathlib import Path

from aiohttp import BodyPartReader, web
from pydantic import BaseModel

from twinslot_host.artifacts import Incoming, receive
from twinslot_host.errors import Invalid
from twinslot_host.handlers import multipart
from twinslot_host.handlers.multipart import Parts

_TEXT_LIMIT_BYTES = 1024


class FormModel(BaseModel):
    """The form's fields, all of them needed."""

    firmware: bytes
    group: str
    token: str
    version: str


@dataclass(frozen=True)
class Form:
    """What a form held. `firmware` is None when that was no file, or an empty one."""

    texts: dict[str, str]
    firmware: Incoming | None

    @classmethod
    async def of(cls, request: web.Request, path: Path) -> "Form":
        """The request's form; its firmware, complete and synced, is the file `path`.

        Raises Invalid for a field that is unknown, that comes twice or that is not UTF-8, TooLarge for one over its
        limit, and what Parts raises.
        """
        parts, seen = await Parts.of(request), set[str]()
        texts: dict[str, str] = {}
        firmware: Incoming | None = None
        while (part := await parts.next()) is not None:
            name = _new_name(part, seen)
            if name == "firmware":
                firmware = await _file(part, path)
            else:
                texts[name] = await _text(part, name)
        return cls(texts, firmware)


def _new_name(part: BodyPartReader, seen: set[str]) -> str:
    name = part.name
    if name is None:
        raise Invalid("a part of the form has no name")
    if name not in FormModel.model_fields:
        raise Invalid(f"unknown field {name[:100]!r}")
    if name in seen:
        raise Invalid(f"{name}: it is given more than once")
    seen.add(name)
    return name


async def _file(part: BodyPartReader, path: Path) -> Incoming | None:
    incoming = await receive(path, multipart.chunks(part))
    return incoming if part.filename and incoming.size_bytes else None


async def _text(part: BodyPartReader, name: str) -> str:
    try:
        return (await multipart.text(part, _TEXT_LIMIT_BYTES)).decode()
    except UnicodeDecodeError:
        raise Invalid(f"{name}: not UTF-8") from None

"""The application's hooks, plain functions or asynchronous ones; and modules that load when they are called for, and go
again."""

import gc
import sys

from micropython import const

TYPE_CHECKING = const(False)
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Hook = Callable[..., Any] | None


_passing: "list[str]" = []  # the modules that came with `load`


async def settled(value: "Any") -> object:
    """What a hook returned, awaited when it is a coroutine."""
    return await value if hasattr(value, "send") else value


def load(name: str) -> "Any":
    """The module of that full name, loaded until the next `unload`, with all that it imports and that was not there
    before."""
    gc.collect()
    before = set(sys.modules)
    try:
        return __import__(name, None, None, (name,))
    finally:
        _passing.extend(name for name in sys.modules if name not in before)


def unload() -> None:
    """The modules that `load` has brought are gone, and their RAM is free when nothing else refers to them."""
    while _passing:
        name = _passing.pop()
        sys.modules.pop(name, None)
        package, _, module = name.partition(".")
        parent = sys.modules.get(package)
        if hasattr(parent, module):
            delattr(parent, module)

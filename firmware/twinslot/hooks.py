"""The application's hooks, plain functions or asynchronous ones; and modules that load when they are called for."""

import gc

from micropython import const

TYPE_CHECKING = const(False)
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Hook = Callable[..., Any] | None


async def settled(value: "Any") -> object:
    """What a hook returned, awaited when it is a coroutine."""
    return await value if hasattr(value, "send") else value


def load(name: str) -> "Any":
    """The module of that full name, loaded once. Collecting often meanwhile keeps the free part of the heap whole."""
    gc.collect()
    threshold = gc.threshold()
    gc.threshold(1024)  # as in `__init__.py`
    try:
        return __import__(name, None, None, (name,))
    finally:
        gc.threshold(threshold)

"""The application's hooks: plain functions or asynchronous ones."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Hook = Callable[..., Any] | None


async def settled(value: "Any") -> object:
    """What a hook returned, awaited when it is a coroutine."""
    return await value if hasattr(value, "send") else value

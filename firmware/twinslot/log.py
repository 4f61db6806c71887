"""The console."""


def log(*words: object) -> None:
    """A line on the console."""
    print("twinslot:", *words)

"""What a proof has looked at, and what it found wrong; on MicroPython as on CPython."""

wrong = []
proven = []


def expect(what, actual, expected):
    """It is as expected, or among what is wrong."""
    proven.append(what)
    if actual != expected:
        wrong.append(f"{what}: {actual!r} instead of {expected!r}")

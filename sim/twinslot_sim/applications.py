"""Application images for simulated boards, each with one habit that an update may have to cope with."""

from pathlib import Path

from twinslot_sim import image

HABITS = ("healthy", "crashing", "mute", "hanging")

_SOURCES = Path(__file__).parent / "apps"
_NAME_BYTES = 31


def app_image(app: str, version: str, habit: str = "healthy", *, size_bytes: int = 0) -> bytes:
    """An ESP32 app image of `app` that behaves as `habit`, one of HABITS, says; at least `size_bytes` long."""
    source = (_SOURCES / f"{habit}.py").read_bytes()
    # The version is part of the code, so that no two versions have the same bytes.
    modules = {"app.py": source, "app_version.py": f"VERSION = {version!r}\n".encode()}
    return image.build(_cut(app), _cut(version), modules, size_bytes=size_bytes)


def micropython() -> bytes:
    """The image of MicroPython's own OTA build, as far as it shows: nothing of anybody's is frozen in it."""
    return image.build("micropython", "v1.25.0", {})


def _cut(name: str) -> str:
    """As much of `name` as an image's description has room for; longer ones are cut there, as ESP-IDF's build does."""
    return name.encode()[:_NAME_BYTES].decode("utf-8", "ignore")

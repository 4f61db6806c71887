"""Application images for simulated boards, each with one habit that an update may have to cope with."""

from pathlib import Path

from twinslot_sim import image

HABITS = ("healthy", "crashing", "mute", "hanging")

_SOURCES = Path(__file__).parent / "apps"


def app_image(app: str, version: str, habit: str = "healthy", *, size_bytes: int = 0) -> bytes:
    """An ESP32 app image of `app` that behaves as `habit`, one of HABITS, says; at least `size_bytes` long.

    Raises ImageError when a name is too long for an image.
    """
    source = (_SOURCES / f"{habit}.py").read_bytes()
    # The version is part of the code, so that no two versions have the same bytes.
    modules = {"app.py": source, "app_version.py": f"VERSION = {version!r}\n".encode()}
    return image.build(app, version, modules, size_bytes=size_bytes)

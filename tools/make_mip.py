"""Makes what `mpremote mip install` takes from a checkout that a web server serves; `make mip` runs it.

`package.json` at the root names the device package's files, which lie in `build/mip` once this has run: compiled, byte
for byte what `twinslot provision` puts on a board.
"""

import json
from importlib.metadata import version
from pathlib import Path

from twinslot_tools.board_files import board_files

ROOT = Path(__file__).resolve().parents[1]
FOLDER = "build/mip"
_ON_BOARD = "/lib/"  # where mip installs to


def package() -> str:
    """The content of `package.json`."""
    names = [path.removeprefix(_ON_BOARD) for path in sorted(board_files()) if path.startswith(_ON_BOARD)]
    rows = ",\n    ".join(json.dumps([name, f"{FOLDER}/{name}"]) for name in names)
    return f'{{\n  "version": {json.dumps(version("twinslot"))},\n  "urls": [\n    {rows}\n  ]\n}}\n'


def write(root: Path) -> None:
    """`root` has `package.json`, and the files that it names."""
    (root / "package.json").write_text(package())
    for path, content in board_files().items():
        if path.startswith(_ON_BOARD):
            file = root / FOLDER / path.removeprefix(_ON_BOARD)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)


if __name__ == "__main__":
    write(ROOT)
    print(f"package.json and {FOLDER} are made. Serve this folder, and give mpremote its address:")
    print("    python3 -m http.server 8000")
    print("    mpremote mip install http://127.0.0.1:8000/package.json")

"""The pure modules of the device package, on CPython. The package's `__init__` needs a chip, so it is left out."""

import sys
import types
from pathlib import Path

from . import stand_ins

PACKAGE = Path(__file__).resolve().parents[2] / "firmware" / "twinslot"

stand_ins.install()
if "twinslot" not in sys.modules:
    package = types.ModuleType("twinslot")
    package.__path__ = [str(PACKAGE)]
    sys.modules["twinslot"] = package

"""Which modules of the device package an update needs, and that they keep to their budget."""

from pathlib import Path

from bench.modules import BUDGET_BYTES, of_updates, sizes

SOURCES = {
    "__init__": "from .agent import Agent\ntry:\n    from .packages import add_to_path\nexcept OSError:\n    pass\n",
    "agent": "from .hooks import load\nif TYPE_CHECKING:\n    from .typed import T\n"
    "STATES = {'judging': lambda: load('twinslot.judging'), 'working': lambda: load('twinslot.work')}\n"
    "def tell():\n    load('twinslot.tell')\n",
    "hooks": "import gc\nfrom micropython import const\n",
    "judging": "def judge():\n    from . import manifest\n",
    "manifest": "from .shared import size\n",
    "packages": "from . import hooks, index\n",
    "index": "",
    "shared": "",
    "tell": "import sys\npackages = sys.modules.get('twinslot.packages')\n",
    "typed": "",
    "verbs": "from . import shared\n",
    "work": "from . import verbs\ndef install():\n    from . import packages\n",
}


def test_modules_that_an_update_loads_later_are_counted_and_those_of_packages_are_not(tmp_path: Path) -> None:
    for name, source in SOURCES.items():
        (tmp_path / f"{name}.py").write_text(source)
    assert of_updates(tmp_path) == {"__init__", "agent", "hooks", "judging", "manifest", "shared"}


def test_package_is_divided_and_what_an_update_needs_is_within_its_budget() -> None:
    needed, size_bytes = of_updates(), sizes()
    assert {"__init__", "agent", "judging", "manifest", "download", "patch", "inflate"} <= needed < size_bytes.keys()
    assert not needed & {"packages", "operations", "inventory"}
    assert sum(size_bytes[name] for name in needed) <= BUDGET_BYTES

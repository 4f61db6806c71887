# Twinslot's main.py, written anew whenever the board is provisioned: for one of your own, delete this line.
#
# Starts the application: a module `app` with a function `main()`, from a bundle, frozen in the image, or a file on the
# board.
#
# Without a configuration the board says so, and waits at its prompt to be provisioned.
#
# When the application fails, or its main() returns, the board restarts: in a trial that is the way back to the old
# image and specification, else another chance in a clean heap. After five such boots in a row the agent runs alone, so
# that the board can be reached and updated.
import gc
import sys
import time

import machine

from twinslot import hw
from twinslot.agent import SAFE_AFTER_CRASHES, Agent
from twinslot.errors import ConfigError

# Collecting often keeps the free part of the heap whole, for what takes large pieces of it: an update, a connection.
gc.collect()
gc.threshold(gc.mem_free() // 16)

crashes = hw.crashes()
try:
    if crashes < SAFE_AFTER_CRASHES or hw.on_trial():
        import app  # pyright: ignore[reportMissingImports] - the user's

        app.main()
        raise RuntimeError("main() of the application has returned")
    else:
        import asyncio

        print("safe mode: the application failed", crashes, "times in a row")
        asyncio.run(Agent().run())
except KeyboardInterrupt:
    raise  # somebody at the console wants the prompt
except BaseException as error:  # noqa: BLE001 - the application's own; a cancelled task is no Exception
    if isinstance(error, SystemExit) and not error.args:
        raise  # machine.soft_reset() is no failure, as machine.reset() is none
    if isinstance(error, ConfigError) and not hw.image_on_trial():
        print("twinslot:", error)  # and no restart, which would not mend it: the board waits at its prompt
    else:
        sys.print_exception(error)
        if not hw.on_trial():
            hw.set_crashes(crashes + 1)
            time.sleep(2)
        machine.reset()

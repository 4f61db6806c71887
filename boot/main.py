# Starts the application: a module `app` with a function `main()`, frozen in the image or a file on the board.
# When it fails, a new image's trial is over at once; a confirmed one leaves the board to the update agent alone.
import sys

import machine

try:
    import app  # pyright: ignore[reportMissingImports] - the user's

    app.main()
except Exception as error:  # noqa: BLE001 - the application's own
    sys.print_exception(error)
    import asyncio

    import twinslot
    from twinslot import hw, otadata

    if hw.slot_states()[hw.running_slot()] == otadata.PENDING_VERIFY:
        machine.reset()
    asyncio.run(twinslot.Agent().run())

"""Offers a board's rules a signed manifest, and each that differs in one bit of it or of its signature. Prints a JSON
document.

Arguments: the folder that holds the package; a file with the manifest, the signature, the modulus and the specification
in hex. The package's own `__init__` needs a chip, so an empty one stands in for it.
"""

import asyncio
import json
import sys
from binascii import unhexlify

package = type("twinslot", (), {"__path__": sys.argv[1] + "/twinslot"})
sys.modules["twinslot"] = package

from twinslot.errors import Refused
from twinslot.manifest import Rules

with open(sys.argv[2]) as file:
    case = {name: unhexlify(value) for name, value in json.load(file).items()}
rules = Rules([case["modulus"]], "kettle", 0, 0x180000, 6, (1, 25, 0), 0, 0, 0)
refused, taken = 0, []


async def prove():
    global refused
    await rules.check(case["manifest"], case["signature"], case["specification"])
    for part in ("manifest", "signature"):
        changed = dict(case)
        changed[part] = data = bytearray(case[part])
        for bit in range(8 * len(data)):
            data[bit // 8] ^= 1 << bit % 8
            try:
                await rules.check(bytes(changed["manifest"]), bytes(changed["signature"]), case["specification"])
                taken.append([part, bit])
            except Refused as error:
                refused += error.reason == "signature"
            data[bit // 8] ^= 1 << bit % 8


asyncio.run(prove())
print(json.dumps({"refused": refused, "taken": taken}))

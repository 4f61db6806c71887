"""What the device remembers of an operation: that it has begun, then how it ended, until the server knows. Pure.

| field | value |
| --- | --- |
| `id`, `attempt` | of the operation |
| `state` | `begun`, or how it ended: then the other fields are those of the report that tells so |
| `after_boot` | true: it ends with the next boot, whose reset cause belongs to its output |

Power loss: it lies in NVS as one blob, where a write leaves the old value or the new one. What has begun and has no end
was lost; the next check-in tells the server.
"""

import json

OUTPUT_BYTES = 512
ERRORS_BYTES = 256
REASON_BYTES = 200
"""What the texts may take, as JSON has them (`output.py`)."""


def begun(order: dict) -> bytes:
    """What to store before the operation `order` begins."""
    return json.dumps({"id": order["id"], "attempt": order["attempt"], "state": "begun"}).encode()


def over(report: dict, after_boot: bool) -> bytes:
    """What to store before the server is told `report`, the last one of its operation."""
    return json.dumps(dict(report, after_boot=after_boot)).encode()


def untold(data: bytes, reset_cause: int) -> "dict | None":
    """The report that is to be told after a boot; None when no operation ended, or there is no reading it."""
    try:
        report = json.loads(data)
        if report.pop("after_boot"):
            report["output"] += "restarted: reset cause {}\n".format(reset_cause)
        return report
    except (ValueError, KeyError, TypeError, AttributeError):
        return None

"""The kinds of releases; and the specification, a JSON document for the application: where it lies, and which one is in
force. Pure.

There are two places for it, 0 and 1. The confirmed release names one of them, or none; a release on its way has its own
put into the other. What is in force, and so what the application is given:

| on trial | in force |
| --- | --- |
| nothing, or an image alone | the confirmed one |
| a specification, alone or with an image | the trial's while that release `states.runs`, else the confirmed one |
"""

IMAGE = 0
SPECIFICATION = 1
BOTH = 2
BUNDLE = 8
"""The kinds of releases, by what they carry (docs/protocol.md, "Manifest"). A bundle with a specification is
`BUNDLE | BOTH`."""

MAX_BYTES = 2048
LINK_MAX_BYTES = 512
"""Of a link as JSON, with its quotes. A longer one is left out: the record would not hold it."""


def has_image(kind: int) -> bool:
    """Whether a release of that kind carries an image."""
    return kind in (IMAGE, BOTH)


def has_specification(kind: int) -> bool:
    """Whether a release of that kind carries a specification."""
    return kind & ~BUNDLE != IMAGE


def decode(data: "bytes | memoryview") -> object:
    """The value that `data` is as JSON. Raises ValueError when it is none."""
    import json  # not above, where the stack is deepest: this module is the last of a chain of imports

    return json.loads(bytes(data))


def free_place(kept: "int | None") -> int:
    """The place that may be written beside the one that is kept, if there is any."""
    return 1 if kept == 0 else 0


def place(confirmed: dict, trial: dict, trial_runs: bool) -> "int | None":
    """Where the specification in force lies, None when there is none. `trial` is the record's, empty for none."""
    brings = trial_runs and has_specification(trial.get("kind", IMAGE))
    return (trial if brings else confirmed).get("place")


def with_link(value: object, link: str) -> object:
    """The value as a trial shows it: an object names the link, if there is one."""
    if link and isinstance(value, dict):
        value["link"] = link
    return value

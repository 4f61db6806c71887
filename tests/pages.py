"""The pages of `docs/`: their blocks, and what they show with nothing of chance in it."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ASIDE = (
    (re.compile(r"http://127\.0\.0\.1:\d+"), "SERVER"),
    (re.compile(r"/dev/pts/\d+"), "PORT"),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z"), "DATE"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|[A-Z][a-z]{2} \d+, \d{4}, [\d:]+ UTC"), "DATE"),
    (re.compile(r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d [\d:]+ UTC \d{4}"), "DATE"),
    (re.compile(r"expires=\d+"), "expires=DATE"),
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "ID"),
    (re.compile(r"\b[0-9a-f]{24}\w*"), "ID"),
    (re.compile(r"\d+ (files|KiB|bytes)"), r"N \1"),
)


def without_chance(text: str) -> str:
    """The text, with the same word for every id, date, server, port and size."""
    for pattern, word in _ASIDE:
        text = pattern.sub(word, text)
    return text

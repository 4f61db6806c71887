"""Filters: which devices a `targeted` release goes to."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

Attribute = str | int | float | bool

_BUCKETS = 10_000  # a percentage counts to 0.01


@dataclass(frozen=True)
class Subject:
    """What a filter sees of a device."""

    device: str
    group: str
    tags: frozenset[str]
    attributes: Mapping[str, Attribute]


@dataclass(frozen=True)
class Predicate:
    """Parts that must all hold; None: not asked for, so that an empty predicate matches every device.

    `groups`: the device is in any of these; `tags`: it has all of these; `attributes`: it has all of these values;
    `percentage`, 0 to 100: it is among that part of all devices, chosen by the filter's id.
    """

    groups: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None
    attributes: Mapping[str, Attribute] | None = None
    percentage: float | None = None


@dataclass(frozen=True)
class Filter:
    """A predicate with its name, unique in its account."""

    id: str
    name: str
    predicate: Predicate
    created_at_ms: int


def matches(which: Filter, subject: Subject) -> bool:
    """Whether the filter matches the device."""
    asked = which.predicate
    return (
        (asked.groups is None or subject.group in asked.groups)
        and (asked.tags is None or subject.tags.issuperset(asked.tags))
        and (asked.attributes is None or _has(subject.attributes, asked.attributes))
        and (asked.percentage is None or _bucket(which.id, subject.device) < round(asked.percentage * _BUCKETS / 100))
    )


def _has(attributes: Mapping[str, Attribute], asked: Mapping[str, Attribute]) -> bool:
    return all(name in attributes and _same(attributes[name], value) for name, value in asked.items())


def _same(one: Attribute, other: Attribute) -> bool:
    return isinstance(one, bool) == isinstance(other, bool) and one == other  # in Python, True equals 1


def _bucket(which: str, device: str) -> int:
    """0 to 9999, always the same for the two: whoever is in at one percentage stays in at each higher one."""
    digest = hashlib.sha256(f"twinslot-percentage-1\n{which}\n{device}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % _BUCKETS

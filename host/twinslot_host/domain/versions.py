"""Versions by semver 2.0.0: order, and which may follow which."""

from collections.abc import Collection

from semver import Version

from twinslot_host.errors import Invalid

VERSION_LIMIT_BYTES = 64


def parsed(text: str) -> Version | None:
    """The version, or None when the text is not semver of at most 64 characters."""
    if len(text) > VERSION_LIMIT_BYTES or not text.isascii():
        return None
    try:
        return Version.parse(text)
    except ValueError:
        return None


def checked_version(what: str, text: str) -> str:
    """The text, which is semver. Raises Invalid, naming `what`, otherwise."""
    if parsed(text) is None:
        raise Invalid(f"{what}: {text[:80]!r} is not a semver 2.0.0 version such as 1.2.0")
    return text


def bare(version: str) -> str:
    """The version without its build, which does not count in comparisons: two are equal when these texts are."""
    return version.partition("+")[0]


def unreachable_reason(current: Version, target: Version, upgradable_from: Collection[str] | None) -> str | None:
    """Why `target` can't follow `current` directly; None when it can.

    `upgradable_from`: None allows any lower version, an empty collection none.
    """
    if target == current:
        return "the device runs this version"
    if target < current:
        return f"it is older than {current}, which the device runs"
    if upgradable_from is None:
        return None
    if bare(str(current)) in map(bare, upgradable_from):
        return None
    allowed = ", ".join(upgradable_from) or "no version"
    return f"it can be reached from {allowed}, and the device runs {current}"

"""Rows as the management API shows them."""

from datetime import UTC, datetime

from twinslot_host.domain.rollout import Decision
from twinslot_host.store.devices import Device
from twinslot_host.store.events import Event
from twinslot_host.store.group_tokens import Token
from twinslot_host.store.groups import Group
from twinslot_host.store.releases import Release

View = dict[str, object]


def date(at_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{at_ms % 1000:03}Z"


def group(row: Group, devices: int) -> View:
    """A group in a list."""
    return {"id": row.id, "name": row.name, "app": row.app, "trust": row.trust, "devices": devices}


def new_group(row: Group, token: str) -> View:
    """A group as its creator sees it, once, with its token."""
    return {
        "id": row.id,
        "name": row.name,
        "app": row.app,
        "trust": row.trust,
        "token": token,
        "created_at": date(row.created_at_ms),
    }


def new_token(row: Token) -> View:
    """A token as its creator sees it, once."""
    return {"id": str(row.id), "token": row.token, "created_at": date(row.created_at_ms)}


def token(row: Token) -> View:
    """A token in a list: what is secret stays out."""
    revoked_at = None if row.revoked_at_ms is None else date(row.revoked_at_ms)
    return {"id": str(row.id), "created_at": date(row.created_at_ms), "revoked_at": revoked_at}


def device(row: Device, last_report: Event | None) -> View:
    """A device."""
    return {
        "id": row.device,
        "group": row.group,
        "group_name": row.group_name,
        "app": row.app,
        "version": row.version,
        "confirmed_version": row.confirmed_version,
        "sequence": row.sequence,
        "state": row.state,
        "image": row.image,
        "chip": row.chip,
        "slot_size": row.slot_size,
        "free_heap": row.free_heap,
        "reset_cause": row.reset_cause,
        "last_result": None if last_report is None else event(last_report),
        "last_seen_at": None if row.last_seen_at_ms is None else date(row.last_seen_at_ms),
        "created_at": date(row.created_at_ms),
    }


def event(row: Event) -> View:
    """An event of a device."""
    return {
        "at": date(row.at_ms),
        "event": row.event,
        "version": row.version,
        "sequence": row.sequence,
        "reason": row.reason,
    }


def release(app: str, row: Release) -> View:
    """A release."""
    return {
        "app": app,
        "version": row.version,
        "sequence": row.sequences[-1],
        "security_version": row.security_version,
        "sha256": row.sha256,
        "size": row.size,
        "chip": row.chip,
        "signed_by": row.signed_by,
        "strategy": row.strategy,
        "upgradable_from": None if row.upgradable_from is None else list(row.upgradable_from),
        "created_at": date(row.created_at_ms),
    }


def decision(device_id: str, made: Decision) -> View:
    """Why a device gets what it gets."""
    offer = made.offer
    return {
        "device": device_id,
        "offer": None if offer is None else {"version": offer.release.version, "sequence": offer.sequence},
        "reason": made.reason,
        "releases": [
            {
                "version": each.release.version,
                "sequence": each.release.sequence,
                "offered": each.offered,
                "reason": each.reason,
            }
            for each in made.verdicts
        ],
    }

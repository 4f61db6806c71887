"""What the answers of the management API look like, as far as the commands rely on it.

A shape is a type; a dict of names and shapes, for an object that has these names and maybe others; a list of one shape;
or a tuple of shapes, one of which it is.
"""

TEXT_OR_NONE = (str, type(None))
NUMBER_OR_NONE = (int, type(None))
RESULT = {"event": str, "version": TEXT_OR_NONE, "reason": TEXT_OR_NONE}

NEW_GROUP = {"id": str, "app": str, "token": str}
GROUP = {"id": str, "name": str, "app": str, "trust": str, "devices": int}
NEW_TOKEN = {"id": str, "token": str, "created_at": str}
TOKEN = {"id": str, "created_at": str, "expires_at": TEXT_OR_NONE, "revoked_at": TEXT_OR_NONE, "devices": int}
FILTER = {"id": str, "name": str, "predicate": dict}
WORKFLOW = {"id": str, "name": str, "command": str, "created_at": str}
JOB = {
    "id": str,
    "name": str,
    "command": str,
    "target": str,
    "target_name": str,
    "states": dict,
    "created_at": str,
    "ended_at": TEXT_OR_NONE,
}
CHILD = {
    "device": str,
    "state": str,
    "exit_code": NUMBER_OR_NONE,
    "reason": str,
    "output": str,
    "errors": str,
    "cut": bool,
}
ACCOUNT = {"id": str, "name": str, "group_ota": bool, "created_at": str}
NEW_ACCOUNT = {"id": str, "name": str, "setup_link": TEXT_OR_NONE}
DEVICE = {
    "id": str,
    "group_name": str,
    "app": TEXT_OR_NONE,
    "version": TEXT_OR_NONE,
    "state": TEXT_OR_NONE,
    "last_result": (RESULT, type(None)),
    "last_seen_at": TEXT_OR_NONE,
}
DEVICE_WITH_EVENTS = {**DEVICE, "events": [dict]}
VERDICT = {"version": str, "sequence": (int, type(None)), "offered": bool, "reason": str}
TRANSFER = {"size": int, "base": TEXT_OR_NONE}
OFFER = {"version": str, "transfer": (TRANSFER, type(None))}
EXPLANATION = {"offer": (OFFER, type(None)), "reason": str, "releases": [VERDICT]}
APPLICATION = {"last_sequence": int}
RELEASE = {
    "app": str,
    "version": str,
    "sequence": int,
    "sha256": TEXT_OR_NONE,
    "size": NUMBER_OR_NONE,
    "signed_by": str,
}
LISTED_PACKAGE = {"id": str, "name": str, "version": str, "size": int, "created_at": str}
PACKAGE = {**LISTED_PACKAGE, "files": [{"path": str}]}
SUBMITTED = {"operationId": str}
OPERATION = {"id": str, "state": str, "progress": NUMBER_OR_NONE, "reason": str}
DEVICE_PACKAGES = {
    "devicePackage": [{"name": str, "version": str, "bundleInfos": {"bundleInfo": [{"name": str}]}}],
}


def page(item: object) -> object:
    """The shape of a page of a list."""
    return {"items": [item], "total": int}


def fits(value: object, shape: object) -> bool:
    """True when `value`, out of a JSON document, has the shape."""
    if isinstance(shape, dict):
        return isinstance(value, dict) and all(
            name in value and fits(value[name], part) for name, part in shape.items()
        )
    if isinstance(shape, list):
        return isinstance(value, list) and all(fits(item, shape[0]) for item in value)
    if isinstance(shape, tuple):
        return any(fits(value, each) for each in shape)
    return isinstance(shape, type) and isinstance(value, shape)

"""What Everyware's device packages take and answer: its field names."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from twinslot_host.config import ANSWER_DEFAULT_MS, ANSWER_LEAST_MS, ANSWER_MOST_MS, REBOOT_DELAY_LIMIT_MS
from twinslot_host.domain.dates import date
from twinslot_host.domain.uris import URI_LIMIT
from twinslot_host.flows.device_packages import Inventory
from twinslot_host.handlers.bodies import Body, Query
from twinslot_host.handlers.packages import Name
from twinslot_host.handlers.views import Date, Shown, when_there


class Timed(Query):
    """`timeout` is the request's, in milliseconds. An operation is answered once it is queued, so it never runs out."""

    timeout: Annotated[int, Field(ge=ANSWER_LEAST_MS, le=ANSWER_MOST_MS)] = ANSWER_DEFAULT_MS


class ListQuery(Timed):
    """`timeout` is how many milliseconds the device has to answer. After that, or when it is not connected, the answer
    is what it told last, unless `requireConnected` is true."""

    require_connected: Literal["true", "false"] = Field(default="false", alias="requireConnected")


class DownloadBody(Body):
    """A package to be installed, or with `install` false only to be downloaded.

    `uri` may hold a user name and a password, or be `package:NAME` for a package that was uploaded to this server.
    `rebootDelay` is in milliseconds. An optional field that is null is as good as absent.
    """

    model_config = ConfigDict(alias_generator=to_camel)

    uri: Annotated[str, Field(max_length=URI_LIMIT)]
    name: Name
    version: Name
    install: bool | None = None
    reboot: bool | None = None
    reboot_delay: Annotated[int, Field(ge=0, le=REBOOT_DELAY_LIMIT_MS)] | None = None
    file_hash: Annotated[str, Field(pattern="^SHA256:[0-9a-fA-F]{64}$")] | None = None


class UninstallBody(Body):
    """A package to be taken off the device."""

    name: Name
    version: Name


class _Shown(Shown):
    model_config = ConfigDict(alias_generator=to_camel)


class Submitted(_Shown):
    """The operation that is now in the device's queue."""

    type: Literal["devicePackageOperation"]
    operation_id: Annotated[str, Field(json_schema_extra={"format": "uuid"})]


class BundleInfo(_Shown):
    """A top-level module that a package brings."""

    name: str
    version: str


class BundleInfos(_Shown):
    """The top-level modules that a package brings."""

    bundle_info: list[BundleInfo]


class DevicePackage(_Shown):
    """An installed package."""

    name: str
    version: str
    bundle_infos: BundleInfos

    @classmethod
    def of(cls, told: dict[str, Any]) -> "DevicePackage":
        """The package as it is shown, of what the device told."""
        name, version = told["name"], told["version"]
        bundles = [BundleInfo(name=each, version=version) for each in told["modules"]]
        return cls(name=name, version=version, bundle_infos=BundleInfos(bundle_info=bundles))


class DevicePackages(_Shown):
    """A device's packages; with `reportedOn` they are what it told then, and not now."""

    type: Literal["devicePackages"]
    device_package: list[DevicePackage]
    reported_on: Date = when_there()

    @classmethod
    def of(cls, told: Inventory) -> "DevicePackages":
        """The packages as they are shown."""
        packages = [DevicePackage.of(each) for each in told.packages]
        if told.reported_at_ms is None:
            return cls(type="devicePackages", device_package=packages)
        return cls(type="devicePackages", device_package=packages, reported_on=date(told.reported_at_ms))

"""What SocketXP's workflows and jobs take and answer: its field names, and its dates."""

from datetime import UTC, datetime

from pydantic import ConfigDict, RootModel
from pydantic.alias_generators import to_pascal

from twinslot_host.domain import jobs as domain
from twinslot_host.domain.queue import Operation
from twinslot_host.handlers.bodies import Body
from twinslot_host.handlers.views import Shown, when_there
from twinslot_host.handlers.workflows import Command, Name, Reference
from twinslot_host.store import workflows

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def created_time(at_ms: int) -> str:
    """Such as `2002-01-19 10:05:22`, in UTC."""
    return f"{_at(at_ms):%Y-%m-%d %H:%M:%S}"


def time(at_ms: int | None) -> str:
    """Such as `Feb 8, 2002, 15:04:13 UTC`; empty for None."""
    if at_ms is None:
        return ""
    at = _at(at_ms)
    return f"{_MONTHS[at.month - 1]} {at.day}, {at.year}, {at:%H:%M:%S} UTC"


def _at(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms // 1000, UTC)


class NewWorkflow(Body):
    """A command, and what people call it."""

    model_config = ConfigDict(alias_generator=to_pascal)

    name: Name
    command: Command


class NewJob(Body):
    """A workflow, and whom it is for: one of a device's id, a group's name and a tag is given."""

    model_config = ConfigDict(alias_generator=to_pascal)

    name: Name
    workflow_id: Reference
    device_id: Reference | None = None
    device_group: Reference | None = None
    tag_id: Reference | None = None


class _Shown(Shown):
    model_config = ConfigDict(alias_generator=to_pascal)


class WorkflowId(_Shown):
    """The workflow that was made."""

    workflow_id: str


class JobId(_Shown):
    """The job that was submitted."""

    job_id: str


class Workflow(_Shown):
    """A command that can be submitted as a job, again and again."""

    workflow_id: str
    name: str
    command: str
    created_time: str

    @classmethod
    def of(cls, row: workflows.Workflow) -> "Workflow":
        """The workflow as it is shown."""
        return cls(workflow_id=row.id, name=row.name, command=row.command, created_time=created_time(row.created_at_ms))


class Workflows(RootModel[list[Workflow]]):
    """The account's workflows."""


class Job(_Shown):
    """A job, with whom it is for, or what one device has made of it; times are empty before they are known."""

    job_id: str
    job_name: str
    device_id: str = when_there()
    device_group: str = when_there()
    tag_id: str = when_there()
    command: str
    start_time: str
    end_time: str
    result: str

    @classmethod
    def of(cls, row: domain.Job, tally: domain.Tally) -> "Job":
        """The job of a group or of a tag as it is shown."""
        target = {"device_group" if row.target == "group" else "tag_id": row.target_name}
        return cls(
            job_id=row.id,
            job_name=row.name,
            command=row.command,
            start_time=time(tally.started_at_ms),
            end_time=time(tally.ended_at_ms),
            result=domain.summary(tally.counts),
            **target,
        )

    @classmethod
    def of_child(cls, row: domain.Job, child: Operation, job_id: str) -> "Job":
        """What the child's device has made of the job; `job_id` is the child's id, or the job's that has no other."""
        return cls(
            job_id=job_id,
            job_name=row.name,
            device_id=child.device,
            command=row.command,
            start_time=time(child.started_at_ms),
            end_time=time(child.ended_at_ms),
            result=domain.result(child),
        )


class Jobs(RootModel[list[Job]]):
    """Jobs, or the children of one."""

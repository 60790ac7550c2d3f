"""What starting and running jobs may end in."""

from __future__ import annotations

from dataclasses import dataclass


class JobError(Exception):
    """Base of all of them."""


@dataclass
class JobUnknown(JobError):
    """There is no job with that number, or it is not yours."""

    job_id: int

    def __str__(self) -> str:
        return f"there is no job {self.job_id}"


@dataclass
class JobOver(JobError):
    """What has ended cannot be cancelled."""

    job_id: int
    state: str

    def __str__(self) -> str:
        return f"job {self.job_id} has ended: {self.state}"


class JobStopped(JobError):
    """Raised in a job's function by its progress: it is to end where it stands."""


class JobCancelled(JobStopped):
    """Somebody asked for it."""

    def __str__(self) -> str:
        return "cancelled"


class JobInterrupted(JobStopped):
    """The server is ending; the job goes on where it was after the next start."""

    def __str__(self) -> str:
        return "interrupted by the end of the server"


class JobTakenOver(JobStopped):
    """Another worker has it: this one was silent for too long."""

    def __str__(self) -> str:
        return "taken over by another worker"

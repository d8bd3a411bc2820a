"""Every error of the engine, in one tree, grouped by who must act.

    MceError
    ├── DefinitionError          the flow's author: what was composed or called cannot work
    │   ├── InvalidStep          a function that cannot be a step
    │   ├── InvalidFlow          a composition that the checker refuses before it runs
    │   ├── InvalidInput         a run called with a missing or a wrong input or state
    │   ├── InvalidGraph         a graph, or a file of one, that is not what it says
    │   └── UsageError           a right thing at a wrong moment (run_sync in a loop, a finished ctx)
    ├── Defect                   the step's author: an exception nobody declared, with where it happened
    │   └── StateConflict        two concurrent branches wrote the same field
    ├── ExpectedFailure          nobody yet: part of a flow's error type, to recover from
    │   ├── TimedOut
    │   ├── LoopLimit
    │   ├── BudgetExceeded
    │   ├── CircuitOpen
    │   └── Uncertain
    ├── InvalidState             the step's author: an update of the state that its class refuses
    ├── InvalidOutput            the step's author: a step returned what its annotation excludes
    ├── RunCancelled             the caller: it cancelled the run whose result it asks for
    ├── Deadlock                 the flow's author: in simulated time, all wait and nothing is due
    ├── ClusterError             whoever runs the cluster: a worker or the scheduler is gone, or cannot run a step
    ├── Failed                   carries a failure that is not an exception to where Python needs one
    └── EngineError              us: a bug in the engine

Every error keeps all its fields in ``args``, so it crosses process borders; two are equal when their
class and fields are. The message is built when it is asked for: fact, place, hint.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence

__all__ = [
    "BudgetExceeded",
    "CircuitOpen",
    "ClusterError",
    "Deadlock",
    "Defect",
    "DefinitionError",
    "EngineError",
    "ExpectedFailure",
    "Failed",
    "InvalidFlow",
    "InvalidGraph",
    "InvalidInput",
    "InvalidOutput",
    "InvalidState",
    "InvalidStep",
    "LoopLimit",
    "MceError",
    "RemoteError",
    "RunCancelled",
    "StateConflict",
    "TimedOut",
    "Uncertain",
    "UsageError",
    "brief",
    "words",
]

_BRIEF = 120
_REASONS = 20


def brief(value: object, limit: int = _BRIEF) -> str:
    """Give a one-line ``repr`` of ``value`` cut to ``limit`` characters; never raises."""
    try:
        text = repr(value)
    except Exception as broken:
        text = f"<{type(value).__name__}: its repr raised {type(broken).__name__}>"
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def words(raised: BaseException) -> str:
    """Give the message of an exception, whatever its ``__str__`` does."""
    try:
        return str(raised)
    except Exception as broken:
        return f"<its str raised {type(broken).__name__}>"


class MceError(Exception):
    """The root of everything this package raises on purpose."""

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.args == self.args

    def __hash__(self) -> int:
        return hash(type(self))


class DefinitionError(MceError):
    """What was composed, or how it was called, cannot work; nothing has run."""


class InvalidStep(DefinitionError):
    """A function cannot be made a step as it is declared."""


class InvalidFlow(DefinitionError):
    """A flow that cannot run is refused before it starts."""


class InvalidInput(DefinitionError):
    """A run was given no input, or an input or state that the flow does not take."""


class InvalidGraph(DefinitionError):
    """A graph, or a file that should hold one, is not what it says."""


class UsageError(DefinitionError):
    """A right call at a wrong place or time; the message names the right one."""


class ExpectedFailure(MceError):
    """A failure of the engine's own policies that belongs to a flow's error type."""


class TimedOut(ExpectedFailure):
    """A flow under ``timeout(seconds)`` was not done in time; ``path`` names the flow."""

    def __init__(self, seconds: float, path: str = "") -> None:
        super().__init__(seconds, path)
        self.seconds, self.path = seconds, path

    def __str__(self) -> str:
        return f"timed out after {self.seconds:g} s{_at(self.path)}"


class LoopLimit(ExpectedFailure):
    """A loop reached ``at_most`` turns without being done; ``last`` is its last value."""

    def __init__(self, at_most: int, path: str = "", last: object = None) -> None:
        super().__init__(at_most, path, last)
        self.at_most, self.path, self.last = at_most, path, last

    def __str__(self) -> str:
        return f"not done after {self.at_most} turns{_at(self.path)}; last value: {brief(self.last)}"


class BudgetExceeded(ExpectedFailure):
    """A flow under ``budget(...)`` would use more ``what`` (steps, seconds, cost) than ``allowed``."""

    def __init__(self, what: str, allowed: float, path: str = "") -> None:
        super().__init__(what, allowed, path)
        self.what, self.allowed, self.path = what, allowed, path

    def __str__(self) -> str:
        return f"budget of {self.allowed:g} {self.what} used up{_at(self.path)}"


class CircuitOpen(ExpectedFailure):
    """The circuit breaker ``name`` lets nothing through before ``until``, in seconds of the backend's clock.

    After that it lets one call through to try, and nothing else before that one has ended.
    """

    def __init__(self, name: str, until: float, path: str = "") -> None:
        super().__init__(name, until, path)
        self.name, self.until, self.path = name, until, path

    def __str__(self) -> str:
        return f"circuit {self.name!r} is open until {self.until:g} s on the backend's clock{_at(self.path)}"


class Uncertain(ExpectedFailure):
    """A step declared ``idempotent=False`` had begun in ``attempt``, and nobody knows whether it came to its end.

    The process that called it was lost. It is not called again: find out what it has done, and go on from there.
    """

    def __init__(self, path: str, attempt: int = 1) -> None:
        super().__init__(path, attempt)
        self.path, self.attempt = path, attempt

    def __str__(self) -> str:
        return f"attempt {self.attempt} of {self.path} had begun where the worker was lost, and may have done its work"


class ClusterError(MceError):
    """A cluster could not do its part: a worker was lost too often, the scheduler is gone, a value cannot be sent."""


class InvalidState(MceError):
    """A state was updated with a field it does not have, or with a value of a wrong type."""

    def __init__(self, state: str, field: str, problem: str) -> None:
        super().__init__(state, field, problem)
        self.state, self.field, self.problem = state, field, problem

    def __str__(self) -> str:
        return f"{self.state}.{self.field}: {self.problem}" if self.field else f"{self.state}: {self.problem}"


class InvalidOutput(MceError):
    """A step returned a value that its return annotation excludes (checked with ``validate=True``)."""

    def __init__(self, step: str, expected: str, problem: str) -> None:
        super().__init__(step, expected, problem)
        self.step, self.expected, self.problem = step, expected, problem

    def __str__(self) -> str:
        return f"step {self.step!r} is declared to return {self.expected}, but {self.problem}"


class RunCancelled(MceError):
    """The result was asked of a run that had been cancelled through its handle."""


class Deadlock(MceError):
    """In simulated time every task waits and no timer is due; ``waiting`` names the tasks.

    ``reasons`` says, a line each, what those wait for that do not wait for tasks of their own, and who holds it.
    """

    def __init__(self, waiting: tuple[str, ...], reasons: tuple[str, ...] = ()) -> None:
        super().__init__(waiting, reasons)
        self.waiting = waiting
        self.reasons = reasons

    def __str__(self) -> str:
        if not self.reasons:
            return f"nothing can go on: {', '.join(self.waiting)} wait, and no timer is due"
        shown = self.reasons[:_REASONS]
        more = [f"and others; {len(self.waiting)} tasks wait"] if len(self.reasons) > _REASONS else []
        return "\n  ".join(["nothing can go on, and no timer is due:", *shown, *more])


class Failed(MceError):
    """A failure whose error is not an exception, where Python needs one to raise."""

    def __init__(self, error: object) -> None:
        super().__init__(error)
        self.error = error

    def __str__(self) -> str:
        return brief(self.error)


class EngineError(MceError):
    """The engine broke one of its own rules: a bug of ours, please report it."""


class RemoteError(MceError):
    """Stands for an exception that could not be pickled: its type's name and its message."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(kind, message)
        self.kind, self.message = kind, message

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


class Defect(MceError):
    """An exception that nobody declared, raised at ``path`` in the given ``attempt`` (the first is 1).

    ``cause`` is the exception and ``traceback`` the text of its traceback, which survives pickling; ``worker`` is the
    address of the cluster's worker that ran the step, empty elsewhere.
    Two defects are equal when their causes are of one class with equal ``args``, at the same path.
    """

    def __init__(
        self, cause: BaseException, traceback: str = "", path: str = "", attempt: int = 1, worker: str = ""
    ) -> None:
        super().__init__(cause, traceback, path, attempt)
        self._cause, self.traceback, self.path, self.attempt = cause, traceback, path, attempt
        self.worker = worker
        if cause is not self:
            self.__cause__ = cause

    @property
    def cause(self) -> BaseException:
        """The exception itself."""
        return self._cause

    def __str__(self) -> str:
        attempt = f" (attempt {self.attempt})" if self.attempt > 1 else ""
        worker = f" on {self.worker}" if self.worker else ""
        return f"{type(self.cause).__name__}: {words(self.cause)}{_at(self.path)}{attempt}{worker}"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return False
        mine, theirs = self.cause, other.cause
        return type(mine) is type(theirs) and mine.args == theirs.args and self.path == other.path

    __hash__ = MceError.__hash__

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (_sendable(self.cause), self.traceback, self.path, self.attempt, self.worker))


class StateConflict(Defect):
    """Concurrent branches wrote the same ``field`` of the state and no reducer says how they meet.

    ``branches`` are the paths of the branches that wrote it and ``values`` what each of them wrote,
    in branch order. A merged state that its own validator refuses is one too, with the refusal as ``problem``.
    It is its own ``cause``, so ``recover(on=StateConflict)`` finds it as it finds any defect.
    """

    def __init__(
        self,
        field: str,
        branches: Sequence[str] = (),
        values: Sequence[object] = (),
        path: str = "",
        problem: str = "",
    ) -> None:
        super().__init__(self, "", path, 1)
        self.args = (field, tuple(branches), tuple(values), path, problem)
        self.field, self.branches, self.values, self.problem = field, tuple(branches), tuple(values), problem

    def at(self, path: str) -> StateConflict:
        """Give the same conflict, placed at ``path``."""
        return StateConflict(self.field, self.branches, self.values, path, self.problem)

    def __str__(self) -> str:
        if self.problem:
            return f"the merged state is refused{_at(self.path)}: {self.problem}"
        wrote = ", ".join(f"{b} wrote {brief(v)}" for b, v in zip(self.branches, self.values, strict=True))
        hint = (
            "declare how they meet: Annotated[..., Append()] (or Add, Union, Max, Last, ...), or gather(..., merge=f)"
        )
        what = f"the state's field {self.field!r}" if self.field else "the state"
        return f"concurrent branches wrote {what}{_at(self.path)}: {wrote}; {hint}"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.args == self.args

    __hash__ = MceError.__hash__

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), self.args)


def _at(path: str) -> str:
    return f" at {path}" if path else ""


def _sendable(cause: BaseException) -> BaseException:
    try:
        pickle.loads(pickle.dumps(cause))
    except Exception:
        return RemoteError(type(cause).__name__, words(cause))
    return cause

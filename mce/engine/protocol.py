"""What the engine asks of a backend: how a step is called, how time passes, whether branches run at the same time."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from mce.syntax import StepSpec

if TYPE_CHECKING:
    from collections.abc import Hashable

    from mce.engine.blocks import Op
    from mce.engine.branches import Branch, End, ForkRegion
    from mce.engine.fiber import Fiber, Run
    from mce.engine.points import Probe
    from mce.syntax import Node

__all__ = ["Backend", "Once", "Remote", "Scope", "Share", "Spread"]

T = TypeVar("T")


class Remote(Protocol):
    """Who carries out the flow of a run in other processes, for a backend that has them."""

    async def __call__(self, run: Run, node: Node, value: Any, state: Any, /) -> End:
        """Run ``node`` on ``value`` from ``state`` to its end; only cancellation and broken machinery are raised."""
        ...


class Spread(Protocol):
    """Runs the branches of a fork somewhere else, if that is worth it."""

    async def __call__(
        self, region: ForkRegion, fiber: Fiber, branches: list[Branch], /
    ) -> tuple[list[End | None], list[int]] | None:
        """Give how the branches ended, and the order; ``None`` to have them run here."""
        ...


class Once(Protocol):
    """Sees to it that a step which must not be called twice is not, over all processes of a run."""

    async def __call__(self, call: Callable[[], Coroutine[Any, Any, Any]], fiber: Fiber, op: Op, /) -> Any:
        """Give what ``call`` gives, or gave before; raises :class:`mce.Uncertain` if nobody knows how it ended."""
        ...


class Share(Protocol):
    """Makes of what branches of this process would share what all processes of the run do."""

    def __call__(self, key: Hashable, local: T, /) -> T: ...


class Scope(Protocol):
    """A stretch of a run with a deadline or a shield; entered and left like a ``with`` block, last in first out."""

    def __enter__(self) -> Any: ...

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None, /
    ) -> bool | None:
        """Give true when ``exc`` is the cancellation by this scope's own deadline, which ends here."""
        ...


class Backend(Protocol):
    """Where a flow runs. ``mce.testing.check_backend`` is the conformance suite for one of your own."""

    @property
    def sequential(self) -> bool:
        """Whether branches run one after the other in the task of the run, left to right."""
        ...

    @property
    def careful(self) -> bool:
        """Whether async steps, too, are to be called through :meth:`call_async`."""
        ...

    @property
    def probe(self) -> Probe | None:
        """Who is asked at the fault points of a run; ``None`` for nobody."""
        ...

    @property
    def remote(self) -> Remote | None:
        """Who carries out the flow in other processes; ``None`` to have it run here."""
        ...

    def now(self) -> float:
        """The time in seconds on a clock that never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait on that clock."""
        ...

    async def checkpoint(self) -> None:
        """Let others run, and notice a cancellation."""
        ...

    def scope(self, seconds: float | None, *, shield: bool = False) -> Scope:
        """Make a scope that cancels what is in it after ``seconds``, or shields it from cancellation outside."""
        ...

    async def call(
        self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], spec: StepSpec
    ) -> Any:
        """Call a plain step."""
        ...

    async def call_async(
        self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], spec: StepSpec
    ) -> Any:
        """Call an async step."""
        ...

    async def need_loop(self) -> None:
        """Make sure that an event loop is there, for code that awaits more than flows."""
        ...

    async def run(self, main: Callable[[Backend], Coroutine[Any, Any, T]]) -> T:
        """Run ``main(backend)`` from within a running event loop to its end."""
        ...

    def run_sync(self, main: Callable[[Backend], Coroutine[Any, Any, T]], *, needs_loop: bool) -> T:
        """Run ``main(backend)`` from plain code to its end; ``needs_loop`` if it surely awaits something."""
        ...

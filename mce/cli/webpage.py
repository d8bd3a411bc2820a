"""``--report`` and ``--live``: the page of a run, written when it has ended or served while it goes on."""

from __future__ import annotations

import socket
import threading
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from mce.cli.exits import WrongCall, complain
from mce.flow import Flow
from mce.graph.ir import Graph
from mce.graph.page import live_page, page
from mce.graph.trace import InvalidTrace, Recorder, RunRecord, read_trace
from mce.graph.wire import Feed

if TYPE_CHECKING:
    from mce.cli.serve import Site

__all__ = ["Report", "Server", "Web", "read_run"]


class Web:
    """The flow as the pages of its run need it; its graph is made when the first of them asks for it."""

    def __init__(self, flow: Flow[Any, Any, Any, Any], title: str) -> None:
        self.title = title
        self._flow = flow

    @cached_property
    def graph(self) -> Graph:
        """The flow's graph, named after the target."""
        return self._flow.graph(name=self.title)


class _Follower:
    """Keeps the record of the run it is told of; what cannot be kept stops the record and not the run."""

    def __init__(self, graph: Graph) -> None:
        self.problem = ""
        self.recorder = Recorder(graph)

    def write(self, line: dict[str, Any]) -> None:
        """Take in a line of a trace."""
        if self.problem:
            return
        try:
            self.recorder.tell_data(line)
        except (KeyError, ValueError) as wrong:
            self.problem = f"the page of the run is incomplete: {wrong}"


class Report(_Follower):
    """Writes the page to ``path`` when it is left, however the run ended.

    A file that cannot be opened is a :class:`WrongCall`, before the run.
    """

    def __init__(self, path: Path, web: Web) -> None:
        super().__init__(web.graph)
        self._path = path
        self._web = web
        try:
            self._file = path.open("w", encoding="utf-8")
        except OSError as wrong:
            raise WrongCall(f"--report {path} cannot be written: {wrong.strerror}") from None

    def __enter__(self) -> Report:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        try:
            with self._file as file:
                file.write(page(self._web.graph, record=self.recorder.record(), title=self._web.title))
        except OSError as wrong:
            self.problem = self.problem or f"the report in {self._path} is incomplete: {wrong.strerror}"


class Server(_Follower):
    """Serves the page on this machine alone while it is entered, and says where on stderr.

    It is left when a browser has got the end of the run, or at once when the run was broken off. Browsers ask for what
    is new since they were told last, so one that is slow or gone costs the run nothing.
    """

    def __init__(self, web: Web, port: int) -> None:
        super().__init__(web.graph)
        try:
            from mce.cli.serve import Site
        except ModuleNotFoundError as missing:
            raise WrongCall(f"--live needs {missing.name}: pip install 'mce-agents[live]'") from None
        try:
            self._socket = socket.create_server(("127.0.0.1", port))
        except OSError as wrong:
            raise WrongCall(f"--port {port} cannot be served: {wrong.strerror}") from None
        text = live_page(web.graph, title=web.title)
        self._site: Site = Site(text, Feed(web.graph, self.recorder))
        self._thread = threading.Thread(
            target=self._site.serve, args=(self._socket,), name="mce live page", daemon=True
        )

    def __enter__(self) -> Server:
        self._thread.start()
        complain(f"mce run: live at {self._site.url(self._socket.getsockname()[1])}")
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        try:
            if kind is None and not self._site.told_end.is_set():
                complain("mce run: the run has ended; waiting until the page has got it all (Ctrl-C leaves)")
                self._site.told_end.wait()
        except KeyboardInterrupt:  # whoever leaves has the outcome all the same
            pass
        finally:
            self._site.stop()
            self._thread.join()
            self._socket.close()


def read_run(path: Path, graph: Graph) -> RunRecord:
    """Read the run over ``graph`` from a file that ``--trace`` wrote; a file that is none is a :class:`WrongCall`."""
    try:
        with path.open(encoding="utf-8") as lines:
            return read_trace(lines, graph=graph)
    except OSError as wrong:
        raise WrongCall(f"--trace {path} cannot be read: {wrong.strerror}") from None
    except (InvalidTrace, UnicodeDecodeError) as wrong:
        raise WrongCall(f"--trace {path} is not a trace of a run: {wrong}") from None

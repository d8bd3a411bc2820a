"""The live page over HTTP: an application of Starlette, served by Uvicorn on the loopback interface.

Needs the extra ``live``. The address holds a random token, and requests that name another host are refused, so that no
page of somebody else's can read the run. Nothing is queued: a browser is told what changed since it was told last.
"""

from __future__ import annotations

import json
import secrets
import socket
import threading
from collections.abc import AsyncIterator

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route

from mce.graph.wire import Feed

__all__ = ["Site"]

_EVERY = 0.1
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Site:
    """The page ``text`` and the events of ``feed`` under a token of its own.

    ``told_end`` is set when a browser was told how the run ended.
    """

    def __init__(self, text: str, feed: Feed) -> None:
        self.token = secrets.token_urlsafe(24)
        self.told_end = threading.Event()
        self._text = text
        self._feed = feed
        self._stopped = False
        app = Starlette(
            routes=[Route(f"/{self.token}/", self._page), Route(f"/{self.token}/events", self._events)],
            middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])],
        )
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="critical",
            http="h11",
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)

    def url(self, port: int) -> str:
        """Give the address of the page."""
        return f"http://127.0.0.1:{port}/{self.token}/"

    def serve(self, listening: socket.socket) -> None:
        """Serve on a socket until it is stopped."""
        self._server.run([listening])

    def stop(self) -> None:
        """Stop; when a browser was told the end, what is still being written comes first."""
        self._stopped = True
        self._server.force_exit = not self.told_end.is_set()
        self._server.should_exit = True

    async def _page(self, request: Request) -> Response:
        return HTMLResponse(self._text, headers=_HEADERS)

    async def _events(self, request: Request) -> Response:
        last = request.headers.get("last-event-id", "")
        version = int(last) if last.isdecimal() and len(last) < 10 else 0
        return StreamingResponse(self._news(version), media_type="text/event-stream", headers=_HEADERS)

    async def _news(self, version: int) -> AsyncIterator[str]:
        told = -1
        while not self._stopped:
            if self._feed.version != told:
                told, news = self._feed.since(version)
                version = told
                yield f"id: {told}\ndata: {json.dumps(news, separators=(',', ':'))}\n\n"
                if news["run"]["over"]:
                    self.told_end.set()
                    return
            await anyio.sleep(_EVERY)

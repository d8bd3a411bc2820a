"""Other workflow libraries, each in an environment of its own and used as its documentation says."""

from __future__ import annotations

__all__: list[str] = []

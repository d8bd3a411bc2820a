"""Tracebacks as the user needs them, as :mod:`mce.tracebacks` gives them."""

from __future__ import annotations

from mce.tracebacks import defect_traceback, user_traceback

__all__ = ["defect_traceback", "user_traceback"]

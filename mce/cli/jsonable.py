"""Values as JSON, as :mod:`mce.jsonable` gives them."""

from __future__ import annotations

from mce.jsonable import dumps, error_as_data, jsonable

__all__ = ["dumps", "error_as_data", "jsonable"]

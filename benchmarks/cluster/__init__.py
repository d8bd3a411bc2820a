"""mce on a Dask cluster against Dask by hand: the same functions, one cluster, in turns.

``python -m benchmarks cluster`` measures it. What workers call is in ``work.py``, which they import by its name:
pickled by value, as functions of ``__main__`` are, it would slow Dask down, and that would count for us.
"""

from __future__ import annotations

__all__: list[str] = []

"""What a step costs: every workload for mce, for plain asyncio, anyio or trio, and for other workflow libraries.

``python -m benchmarks --help`` says how to run it. Costs are ratios to a baseline that is timed in turn with what is
measured, in the same process. Nothing here is imported by the package.
"""

from __future__ import annotations

__all__: list[str] = []

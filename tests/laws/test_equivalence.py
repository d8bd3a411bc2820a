"""Every backend does what the reference meaning says, for random flows of the kind for which design 6 promises it.

``pytest --hypothesis-profile=search`` tries many more of them.
"""

from __future__ import annotations

PROMISED = 500
drawn: set[str] = set()

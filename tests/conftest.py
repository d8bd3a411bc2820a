"""How Hypothesis searches: the same examples in every run, unless one asks for a search.

``pytest --hypothesis-profile=search`` draws new examples, and many more of them; what it finds becomes an
``@example`` of its test. Neither profile judges how long an example takes: that is not deterministic.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("fixed", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "search", settings.get_profile("fixed"), derandomize=False, max_examples=5_000, print_blob=True
)
settings.load_profile("fixed")

"""The cases of the conformance suite for backends, a module per topic; :mod:`mce.testing.conformance` runs them."""

__all__: list[str] = []

"""Where a flow runs on many machines: the translation of flows into tasks of a Dask cluster."""

__all__: list[str] = []

"""Traces: what a model held at every step of its rollouts, as TFRecord files.

reading   opens a folder of traces; its format, and reading it without our code
records   one rollout as bytes
shards    the files of a folder; what a shard's checksums and fingerprint cover
writing   plans a folder, then writes it shard by shard
"""

from dnc.traces.reading import Traces
from dnc.traces.reading import open_traces

__all__ = ('Traces', 'open_traces')

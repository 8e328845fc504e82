"""Traces: what a model held at every step of its rollouts, as TFRecords.

reading   opens a folder of traces; says what is in it
records   one rollout as bytes
shards    the files of a folder
writing   plans and writes a folder, file by file
"""

from dnc.traces.reading import Traces
from dnc.traces.reading import open_traces

__all__ = ('Traces', 'open_traces')

"""Means over runs that differ by their seeds alone: the model is the unit.

An interval over rollouts says nothing about another training. Here each model
counts as one observation.

  models.py  means and intervals over models
  tables.py  the report: Markdown, HTML and JSON
"""

from analysis.pooling.models import PooledResult
from analysis.pooling.models import pool
from analysis.pooling.tables import write

__all__ = ('PooledResult', 'pool', 'write')

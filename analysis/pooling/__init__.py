"""Means over runs that differ only in their seeds.

An interval over rollouts of one model says nothing about another training. Here
each model counts as one observation.

  models.py    means and intervals over models
  overview.py  the small tables below the answers
  tables.py    the report: Markdown, HTML and JSON
"""

from analysis.pooling.models import PooledResult
from analysis.pooling.models import pool
from analysis.pooling.tables import lines
from analysis.pooling.tables import write

__all__ = ('PooledResult', 'lines', 'pool', 'write')

"""Helpers that the tests share.

tables.py        Markdown tables, and writing results
figures.py       figures, as SVG or pixels
statistics.py    confidence intervals; Holm's correction of p-values
feature_sums.py  sums over steps, for least squares
orders.py        the memory with its slots sorted by writing or reading
arrays.py        checks of the arrays and numbers that callers pass
"""

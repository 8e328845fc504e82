"""What the tests share.

tables.py      Markdown tables, and writing results
figures.py     arrays to pictures
statistics.py  confidence intervals
"""

"""Trains and evaluates the models of docs/RESULTS.md, and writes its tables.

  python -m analysis.results

kinds.py    which models: each kind has its flags and its number of seeds
running.py  runs the trainings and evaluations that are missing
reading.py  the numbers of an evaluated run, from its JSON
keeping.py  these numbers in small files, in docs/results/
tables.py   means over the models of each kind, as Markdown
page.py     the part of docs/RESULTS.md that the command rewrites
"""

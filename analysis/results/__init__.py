"""Trains and evaluates the models of docs/RESULTS.md, and writes its tables.

  python -m analysis.results

kinds.py    which models: each kind has its flags and its number of seeds
running.py  runs the trainings and evaluations that are missing
reading.py  the numbers of an evaluated run, from its JSON
keeping.py  what is kept in docs/results/: these numbers, and some reports
tables.py   means over the models of each kind, as Markdown
page.py     the parts of docs/RESULTS.md that the command rewrites
picture.py  README's first picture: x in Model B
"""

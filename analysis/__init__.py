"""The tests of what a trained model's memory holds, and their report.

experiment.py        runs the tests on a trained run, for evaluate.py
evaluated_run.py     the run: its folder, and the rollouts and traces of each
                     test
beam_engine.py       spreads the work of the tests with Apache Beam
work_files.py        what its workers do, and the files of tasks and results
probe/               Test 1: linear probes from the memory to labels
mutual_information/  Test 2: each memory location against a sequence
lesion/              Test 3: a model with its memory cut
intervention/        Test 4: predictions from a memory that is changed
pooling/             means over runs that differ by their seeds
report/              all results on one page, as HTML and in TensorBoard
results/             trains and evaluates what docs/RESULTS.md compares
common/              tables, figures and statistics that the tests share

No test imports another test, the report or the experiment.
"""

# First of all, because it loads Matplotlib with any MPLBACKEND.
from dnc.system import own_settings

__all__ = ('own_settings',)

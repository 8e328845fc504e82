"""The tests of what a trained model's memory holds, and their report.

experiment.py        puts a trained run to the tests: what evaluate.py does
evaluated_run.py     the run: its folder; which rollouts and traces each test
                     uses
probe/               Test 1: linear probes from the memory to labels
mutual_information/  Test 2: each memory location against a sequence
lesion/              Test 3: a model with its memory cut
report/              everything on one page, in TensorBoard, and as HTML
common/              tables, figures and statistics that the tests share

No test imports another, and none imports the report or the experiment.
"""

"""What is asked of a trained model's memory, and how the answers are written.

probe.py                Test 1: linear probes from traces or arrays to labels
probe_passes.py         the passes over the rollouts that it takes
probe_inputs.py, probe_labels.py, planted.py
                        what probes read, what they are asked, what they must
                        find
linear_probe.py, exact_probe.py, step_sums.py, probe_scores.py
                        how they are trained and scored
mutual_information.py   Test 2: each memory location against a sequence
mutual_information_estimators.py
                        contents and classes to nats, all locations at once
significance.py         p-values of many locations, and their correction
plain_scores.py         scores that take every number for a class of its own
lesion.py               Test 3: a model with its memory cut
lesion_tasks.py         what it then does: next sprites, repeat-copy
normalisation.py        mean and deviation by time step
controls.py             random inputs, random sequences, shifts
experiment.py, evaluated_run.py
                        a trained run put to the tests: what evaluate.py does
probe_tables.py, probe_verdict.py, mutual_information_tables.py,
lesion_tables.py
                        their results in Markdown and JSON, beside the post's
tables.py               Markdown tables, and writing both
report.py, page.py      everything on one page, in TensorBoard, and as HTML
figures.py, probe_figures.py, curves.py
                        the figures of it, and of trainings
"""

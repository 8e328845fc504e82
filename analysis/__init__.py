"""What is asked of a trained model's memory, and how the answers are written.

probe.py                Test 1: linear probes from traces or arrays to labels
probe_passes.py         the passes over the rollouts that it takes
probe_inputs.py, probe_labels.py, planted.py
                        what probes read, what they are asked, what they must
                        find
linear_probe.py, exact_probe.py, probe_scores.py
                        how they are trained and scored
mutual_information.py   Test 2: each memory location against a sequence
normalisation.py        mean and deviation by time step
controls.py             random inputs, random sequences, shuffles
experiment.py           a trained run put to both tests: what evaluate.py does
probe_tables.py, probe_verdict.py, mutual_information_tables.py
                        their results in Markdown and JSON, beside the post's
tables.py               Markdown tables, and writing both
"""

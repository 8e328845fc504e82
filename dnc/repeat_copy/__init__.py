"""DeepMind's repeat-copy task: one that cannot be done without memory.

data       sequences and their scores
training   an update, and a whole training
"""

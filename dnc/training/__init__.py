"""What the training of any task needs.

cores          makes a core from a config
optimizers     Adam and RMSProp in one pass
tally          how far a training has come
distribution   an update shared by devices or machines
checkpoints    saved whole or not at all
session        what a training reports
summaries      what TensorBoard shows
loop           updates, reports, checkpoints, an end
machine        the memory that a training needs
"""


def train(*args, **kwargs):
  from dnc.next_sprite import training

  return training.train(*args, **kwargs)


def replay(*args, **kwargs):
  from dnc.next_sprite import training

  return training.replay(*args, **kwargs)

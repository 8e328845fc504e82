"""The registry's object for next-sprite prediction. Light to import."""

from dnc import config as config_lib
from dnc import tasks
from dnc.next_sprite import config

_DESCRIPTION = """\
sequences ("rollouts") of sprites, small white shapes on black. At each step it
is shown the image of the current sprite and an *action*, which says how the
next sprite will differ from it. It must predict the image of that next sprite.
{twin}Five *latents* determine how a sprite looks: its shape (square, ellipse or
heart), scale, orientation, and x and y position. {told}, and does it use what
it holds?"""
_NEVER_TOLD = """\
The network is never told the latents. Does it hold them nevertheless"""
_EXPOSED = """\
This network was trained to show them: while it learned, a linear layer read
them off its {where}, and what the layer got wrong was part of the loss. The
layer is gone. Does the network hold them"""
_SHOW_EVERY = """\
In this twin of the task, the image is shown once in {show_every} steps only.
Between, the network must know from its state where the sprite is, and add up
the actions. """
_RECALL = """\
In this twin of the task, it must predict the image that it was shown {recall}
steps before instead. """
_ABOUT_LESIONS = """\
The positive control of this test is a network that has learned to copy
sequences, which needs a memory: `python train.py --task=repeat_copy
--num_bits=6 --min_length=2 --max_length=8 --hidden_size=32
--num_training_iterations=12000`, then `python evaluate.py`."""


class NextSprite(tasks.Task):
  """Next-sprite prediction; all tests apply to its models."""

  name = tasks.NEXT_SPRITE
  summary = 'predict the next sprite of a rollout'
  config_class = config.TrainingConfig
  tests = config_lib.TESTS
  options = ('preset', 'data_dir', 'strategy')
  description = _DESCRIPTION.format(twin='', told=_NEVER_TOLD)
  baseline = 'predicting the mean image'
  about_lesions = _ABOUT_LESIONS

  def describe(self, training):
    """Describes the task, the twin of it that was trained, and --expose."""
    twin, told = '', _NEVER_TOLD
    if training.get('recall') is not None:
      twin = _RECALL.format(**training)
    elif training.get('show_every', 1) > 1:
      twin = _SHOW_EVERY.format(**training)
    if training.get('expose'):
      told = _EXPOSED.format(where=training['expose'].replace('_', ' '))
    return _DESCRIPTION.format(twin=twin, told=told)

  def evaluation_of(self, training, evaluation):
    """By default the same latents vary as in training; see `for_run`."""
    return evaluation.for_run(training)

  def load_table(self, training, evaluation, data_dir):
    """Loads the sprites, by default the training's."""
    from dnc.dsprites import table

    return table.load_table(evaluation.dataset or training.dataset, data_dir)

  def sequences(self, trained, evaluation, table=None):
    """The rollouts of Tests 1 and 3."""
    from dnc.next_sprite import rollouts
    from dnc.next_sprite import sequences

    return sequences.SpriteSequences(
      trained.model,
      table,
      rollouts.evaluation_spec(evaluation, trained.config),
    )


TASK = NextSprite()

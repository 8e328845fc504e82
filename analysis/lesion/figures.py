"""The figure of Test 3: what cuts of the memory cost over time."""

import numpy as np

from analysis.common import figures
from analysis.lesion import course
from analysis.lesion import measuring
from analysis.lesion import naming
from dnc import lesions

# The axis is linear up to this share of the largest change.
_LINEAR_SHARE = 0.001


def courses(result: measuring.LesionResult) -> figures.figure.Figure | None:
  """Draws the changes of the loss by steps since the cut.

  Lesions without a cut, which act from the first step on, are not drawn.

  Returns:
    The figure; None if no step after a cut counts.
  """
  curves = {}
  for name in lesions.WITH_CUT:
    found = result.courses[name]
    if len(found.changes):
      steps = np.sqrt(found.first_steps * found.last_steps)
      curves[naming.label(name, result)] = np.column_stack(
        [steps, found.changes, found.intervals]
      )
  if not curves:
    return None
  largest = max(np.abs(curve[:, 1]).max() for curve in curves.values())
  return figures.bands(
    curves,
    'steps since the cut, which is step 1',
    'change of the loss of a step',
    linear=_LINEAR_SHARE * largest or None,
    mark=course.JOLT_STEPS + 0.5,
  )

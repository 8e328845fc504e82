"""Training on several devices or machines.

Every replica holds all variables, reads the same batches and takes its own part
of each. Gradients are summed over the replicas, the parts of the carried state
are joined, and every replica then makes the same update to its own copies. So a
run can be stopped under one strategy and resumed under another.
"""

from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import hashlib
import os
import re
import signal
from typing import Any

import tensorflow as tf

from dnc import config as config_lib
from dnc.config import cluster as cluster_lib
from dnc.system import errors
from dnc.system import progress

# TensorFlow raises these when a worker does not answer, or when this process
# shuts down because a worker is lost.
_LOSSES = (
  tf.errors.AbortedError,
  tf.errors.CancelledError,
  tf.errors.DeadlineExceededError,
  tf.errors.FailedPreconditionError,
  tf.errors.UnavailableError,
)


class LostWorkerError(Exception):
  """Another worker is gone; this worker's state is unchanged."""


@contextlib.contextmanager
def lost_workers_told() -> Iterator[None]:
  """Turns TensorFlow's errors about a lost worker into a `LostWorkerError`.

  Raises:
    LostWorkerError: if another worker is gone.
  """
  try:
    yield
  except _LOSSES as e:
    found = re.search(r'/job:(\w+)(?:/replica:\d+)?/task:(\d+)', str(e))
    raise LostWorkerError(
      f'{found[1]} {found[2]} does not answer' if found else 'no answer'
    ) from e


def assign(variable: tf.Variable, value: tf.Tensor) -> None:
  """Sets a variable or, in a replica, the replica's copy; casts the value.

  Under a strategy, `variable.assign` needs a rule to aggregate the replicas'
  values; here they are equal.
  """
  tf.raw_ops.AssignVariableOp(
    resource=variable.handle, value=tf.cast(value, variable.dtype)
  )


def make_strategy(
  name: str, log: progress.Log = print
) -> tf.distribute.Strategy:
  """Makes a strategy; call it before any other use of TensorFlow.

  Args:
    name: `default`: one device; `mirrored`: all devices of this machine;
      `multi_worker`: all workers that the environment variable TF_CONFIG names,
      as described in TensorFlow's guide to distributed training.
    log: takes a line before the wait for other workers. The wait ends when all
      have connected, or with Ctrl-C.

  Raises:
    UsageError: if TF_CONFIG is wrong, or the workers cannot connect.
  """
  if name == config_lib.DEFAULT:
    return tf.distribute.get_strategy()
  if name == config_lib.MIRRORED:
    return tf.distribute.MirroredStrategy()
  cluster = cluster_lib.check()['cluster']
  addresses = [address for job in cluster.values() for address in job]
  # TensorFlow waits in C++, where Python's handler would never be called.
  handler = signal.signal(signal.SIGINT, signal.SIG_DFL)
  try:
    log(f'waiting for {len(addresses)} workers: {", ".join(addresses)}')
    return tf.distribute.MultiWorkerMirroredStrategy()
  except (ValueError, RuntimeError, tf.errors.OpError) as e:
    raise errors.UsageError(
      f'TF_CONFIG={os.environ["TF_CONFIG"]}: the workers cannot connect: '
      f'{str(e).splitlines()[0]}'
    ) from e
  finally:
    signal.signal(signal.SIGINT, handler)


def is_chief(strategy: tf.distribute.Strategy) -> bool:
  """Whether this process is the chief; only the chief reports and writes."""
  resolver = strategy.cluster_resolver
  if resolver is None or resolver.task_type in (None, '', 'chief'):
    return True
  has_chief = 'chief' in resolver.cluster_spec().as_dict()
  return not has_chief and resolver.task_id == 0


def num_workers(strategy: tf.distribute.Strategy) -> int:
  """Number of workers: processes that share a training."""
  if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
    cluster = strategy.cluster_resolver.cluster_spec().as_dict()
    return sum(map(len, cluster.values()))
  return 1


def check_batch_size(batch_size: int, strategy: tf.distribute.Strategy) -> None:
  """Raises `UsageError` if the replicas cannot get equal parts of a batch."""
  number = strategy.num_replicas_in_sync
  if batch_size % number:
    raise errors.UsageError(
      f'--batch_size={batch_size}: must be a multiple of {number}, the number '
      'of replicas'
    )


def same_everywhere(strategy: tf.distribute.Strategy, text: str) -> bool:
  """Whether all workers have the same text; every worker must call this.

  Raises:
    LostWorkerError: if another worker is gone.
  """
  if strategy.num_replicas_in_sync == 1:
    return True
  digest = hashlib.blake2b(text.encode(), digest_size=7).digest()
  number = tf.constant([int.from_bytes(digest)], tf.int64)
  with lost_workers_told():
    return len(set(_gather(strategy, number).numpy())) == 1


@tf.function(autograph=False)
def _gather(strategy: tf.distribute.Strategy, number: tf.Tensor) -> tf.Tensor:
  """Joins the numbers of all replicas, int64 `[1]` each, into one tensor."""
  # A copy on the replica's own device.
  found = strategy.run(lambda: Part().join([tf.identity(number)])[0])
  return strategy.experimental_local_results(found)[0]


class Part:
  """A replica's part of divided tensors; a single replica gets all."""

  def __init__(self):
    """Constructs the part of the calling replica."""
    self._context = tf.distribute.get_replica_context()
    self._number = self._context.num_replicas_in_sync

  def take(self, whole: tf.Tensor, axis: int) -> tf.Tensor:
    """This replica's part along an axis."""
    if self._number == 1:
      return whole
    return tf.gather(
      tf.split(whole, self._number, axis=axis),
      self._context.replica_id_in_sync_group,
    )

  def join(self, parts: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """The inverse of `take` along axis 0, for every replica."""
    if self._number == 1:
      return list(parts)
    return [self._context.all_gather(part, axis=0) for part in parts]

  def sum(self, values: Any) -> Any:
    """Sums each tensor of a nest over the replicas, for every replica."""
    if self._number == 1:
      return values
    return self._context.all_reduce(tf.distribute.ReduceOp.SUM, values)

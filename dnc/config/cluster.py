"""Reads TF_CONFIG, which names the workers of a training on several machines.

TensorFlow's guide to distributed training describes it. This module does not
import TensorFlow, so that mistakes are reported before TensorFlow is loaded.
"""

import json
import os
import re
from typing import Any

from dnc.config import training
from dnc.system import errors
from dnc.system import files

_VARIABLE = 'TF_CONFIG'
_LAST_PORT = 65535


def check() -> dict[str, Any]:
  """Reads TF_CONFIG.

  Raises:
    UsageError: if it does not name the workers or say which one this process
      is.
  """
  text = os.environ.get(_VARIABLE, '')
  try:
    found = files.parse_json(text)
    _check(found['cluster'], **found['task'])
  except (AttributeError, KeyError, TypeError, ValueError) as e:
    reason = f'{e}; it' if isinstance(e, _WrongError) else 'it'
    example = dict(
      cluster=dict(worker=['host1:12345', 'host2:12345']),
      task=dict(type='worker', index=0),
    )
    raise errors.UsageError(
      f'--strategy={training.MULTI_WORKER}: the environment variable '
      f'{_VARIABLE} is {text!r}: {reason} must name the workers and say which '
      f'one this process is, e.g. {json.dumps(example)}'
    ) from e
  return found


class _WrongError(ValueError):
  """Says what is wrong with TF_CONFIG."""


def _require(holds: bool, reason: str) -> None:
  if not holds:
    raise _WrongError(reason)


def _check(
  cluster: dict[str, Any], type: str, index: Any = 0, **_: Any
) -> None:
  """Checks that a cluster has workers, and this process is one or the chief."""
  for name, job in cluster.items():
    # A string would pass as a list of one-letter addresses.
    _require(isinstance(job, list), f'{name!r} must have a list of addresses')
  addresses = [address for job in cluster.values() for address in job]
  for address in addresses:
    found = re.fullmatch(r'\S+:([0-9]{1,5})', str(address))
    _require(
      found is not None and 0 < int(found[1]) <= _LAST_PORT,
      f'{address!r} must be host:port, with a port from 1 to {_LAST_PORT}',
    )
  _require(len(addresses) == len(set(addresses)), 'an address occurs twice')
  _require(bool(cluster.get('worker')), 'there is no worker')
  _require(
    type in ('chief', 'worker'), f"type {type!r} must be 'chief' or 'worker'"
  )
  _require(bool(cluster.get(type)), f'there is no {type}')
  last = len(cluster[type]) - 1
  _require(
    isinstance(index, int)
    and not isinstance(index, bool)
    and 0 <= index <= last,
    f'index {index!r} must be a number from 0 to {last}',
  )

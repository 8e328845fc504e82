"""One rollout of a trace as a TFRecord: the bytes, and TFDS's word for them.

A rollout is a `tf.train.Example` as `tfds.features.FeaturesDict` makes it, byte
for byte, put together here in one copy of its numbers: protocol buffers would
make several. `traces.py` says what its features are.

Source: https://protobuf.dev/programming-guides/encoding, and the messages
Example, Features, Feature, BytesList and Int64List of TensorFlow's
`example.proto` and `feature.proto`.
"""

from collections.abc import Mapping
from collections.abc import Sequence
import hashlib
import json
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from dnc.dsprites import latents

# What every trace has beside the representations.
LABELS = {'classes': np.dtype(np.int32), 'values': np.dtype(np.float32)}
INDEX = 'index'
FINGERPRINT = 'fingerprint'
_REPRESENTATION = np.dtype(np.float32)

# Key bytes, field number and wire type, of the messages on the way to a value.
_FEATURES = b'\n'
_ENTRY, _ENTRY_KEY, _ENTRY_VALUE = b'\n', b'\n', b'\x12'
_BYTES_LIST, _INT64_LIST = b'\n', b'\x1a'
_VALUES = b'\n'

# Of a fingerprint.
_NUM_DIGITS = 32
# A TFRecord frames its bytes with their number and two checksums.
FRAME_BYTES = 16
# Of a protocol buffer.
_MAX_BYTES = 2**31 - 1


def _dtype(name: str) -> np.dtype:
  return LABELS.get(name, _REPRESENTATION)


def fingerprint(metadata: Mapping[str, Any], file: str) -> str:
  """What every rollout carries of what it is of, and where it stands.

  Args:
    metadata: of the traces; anything that JSON holds.
    file: name of the shard.

  Returns:
    32 hexadecimal digits; the same after a JSON file and back.
  """
  there_and_back = json.loads(json.dumps(metadata))
  content = json.dumps([there_and_back, file], sort_keys=True)
  return hashlib.sha256(content.encode()).hexdigest()[:_NUM_DIGITS]


def all_widths(widths: Mapping[str, int]) -> dict[str, int]:
  """Numbers per step, of representations and labels."""
  return {**widths, **dict.fromkeys(LABELS, latents.NUM_LATENTS)}


def bytes_per_step(width: int) -> int:
  """Bytes of a representation or label at one step: all have four a number."""
  return _REPRESENTATION.itemsize * width


def features(widths: Mapping[str, int]) -> tfds.features.FeaturesDict:
  """How TFDS is to read rollouts.

  Args:
    widths: numbers per step, for each representation.

  Returns:
    The features.
  """
  return tfds.features.FeaturesDict(
    {
      INDEX: np.int64,
      FINGERPRINT: tfds.features.Text(),
      **{
        # Raw bytes: a list of floats is far slower to parse.
        name: tfds.features.Tensor(
          shape=(None, width), dtype=_dtype(name).type, encoding='bytes'
        )
        for name, width in all_widths(widths).items()
      },
    }
  )


def _varint(number: int) -> bytes:
  """A whole number from 0 on, seven bits a byte, the lowest first."""
  found = bytearray()
  while number > 0x7F:
    found.append(number & 0x7F | 0x80)
    number >>= 7
  return bytes([*found, number])


def _message(key: bytes, content: bytes, more: int = 0) -> bytes:
  """A field whose content goes on with `more` bytes that follow."""
  return key + _varint(len(content) + more) + content


def _entry(name: str, value: bytes, more: int = 0) -> bytes:
  """A feature by its name; its value goes on with `more` bytes."""
  key = _message(_ENTRY_KEY, name.encode())
  return _message(_ENTRY, key + _message(_ENTRY_VALUE, value, more), more)


def _before_bytes(name: str, num_bytes: int) -> bytes:
  """What stands before a feature's bytes."""
  values = _message(_VALUES, b'', num_bytes)
  return _entry(name, _message(_BYTES_LIST, values, num_bytes), num_bytes)


def _layout(
  widths: Mapping[str, int],
  index: int,
  num_steps: int,
  digits: str = '0' * _NUM_DIGITS,
) -> tuple[list[tuple[str, bytes]], int]:
  """Features in order, what stands before the bytes of each, and all bytes."""
  parts, size = [], 0
  every_width = {**all_widths(widths), INDEX: 0, FINGERPRINT: 0}
  for name, width in sorted(every_width.items()):
    num_bytes = num_steps * bytes_per_step(width)
    if name == INDEX:
      values = _message(_VALUES, _varint(index))
      part = _entry(name, _message(_INT64_LIST, values))
    elif name == FINGERPRINT:
      values = _message(_VALUES, digits.encode())
      part = _entry(name, _message(_BYTES_LIST, values))
    else:
      part = _before_bytes(name, num_bytes)
    parts.append((name, part))
    size += len(part) + num_bytes
  start = _message(_FEATURES, b'', size)
  return [('', start), *parts], len(start) + size


def size_in_bytes(widths: Mapping[str, int], index: int, num_steps: int) -> int:
  """The exact size of a rollout in a file.

  Args:
    widths: numbers per step, for each representation.
    index: of the rollout.
    num_steps: its steps.

  Returns:
    Bytes, with the frame of the TFRecord.

  Raises:
    ValueError: if a record cannot hold as much.
  """
  size = _layout(widths, index, num_steps)[1]
  if size > _MAX_BYTES:
    raise ValueError(
      f'a rollout of {num_steps} steps takes {size / 1e9:.1f} GB and a record '
      f'holds {_MAX_BYTES / 1e9:.1f} GB'
    )
  return size + FRAME_BYTES


def encode(
  widths: Mapping[str, int],
  index: int,
  digits: str,
  arrays: Mapping[str, Sequence[np.ndarray]],
  into: bytearray | None = None,
) -> bytearray:
  """Puts a rollout together.

  Args:
    widths: numbers per step, for each representation.
    index: of the rollout.
    digits: the fingerprint of what it is of.
    arrays: for each representation float32 `[time, widths[name]]`, 'classes'
      int32 and 'values' float32 `[time, 5]`, in pieces of any number of steps,
      one after the other; the numbers of a step must be contiguous.
    into: a record that is no longer needed, to be written over where it has the
      right size: to get tens of MB of memory takes longer than to fill them.

  Returns:
    The `tf.train.Example`.

  Raises:
    ValueError: if an array does not fit this description.
  """
  num_steps = sum(map(len, arrays['classes']))
  if len(digits) != _NUM_DIGITS:
    raise ValueError(f'a fingerprint has {_NUM_DIGITS} digits, not {digits}')
  parts, size = _layout(widths, index, num_steps, digits)
  every_width = all_widths(widths)
  record = into if into and len(into) == size else bytearray(size)
  numbers, position = np.frombuffer(record, np.uint8), 0
  for name, before in parts:
    record[position : position + len(before)] = before
    position += len(before)
    if name in every_width:
      _check(name, every_width[name], num_steps, arrays[name])
      step = bytes_per_step(every_width[name])
      for piece in arrays[name]:
        end = position + len(piece) * step
        there = numbers[position:end].reshape([len(piece), step])
        there[...] = piece.view(np.uint8)
        position = end
  return record


def _check(
  name: str, width: int, num_steps: int, pieces: Sequence[np.ndarray]
) -> None:
  for piece in pieces:
    if piece.dtype != _dtype(name) or piece.shape[1:] != (width,):
      raise ValueError(
        f'{name} must be {_dtype(name)} of {width} numbers a step, not '
        f'{piece.dtype} {list(piece.shape)}'
      )
  if sum(map(len, pieces)) != num_steps:
    raise ValueError(f'{name} must have {num_steps} steps, as classes has')

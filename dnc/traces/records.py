"""One rollout of a trace as a TFRecord: its bytes and its TFDS features.

A record is a `tf.train.Example`, byte for byte as `tfds.features.FeaturesDict`
makes it. It is assembled here because protocol buffers would copy the numbers
several times. `dnc.traces.reading` lists the features.

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

# Every trace has these beside the representations.
LABELS = {'classes': np.dtype(np.int32), 'values': np.dtype(np.float32)}
# One number a step, only in traces of a twin of the post's task. The `widths`
# of such traces list it beside the representations.
SINCE_SHOWN = 'since_shown'
INDEX = 'index'
FINGERPRINT = 'fingerprint'
_REPRESENTATION = np.dtype(np.float32)

# Key bytes (field number and wire type) of the nested messages around a value.
_FEATURES = b'\n'
_ENTRY, _ENTRY_KEY, _ENTRY_VALUE = b'\n', b'\n', b'\x12'
_BYTES_LIST, _INT64_LIST = b'\n', b'\x1a'
_VALUES = b'\n'

# Length of a fingerprint.
_NUM_DIGITS = 32
# A TFRecord's frame: the length of the record and two checksums.
FRAME_BYTES = 16
# The largest protocol buffer.
_MAX_BYTES = 2**31 - 1


def _dtype(name: str) -> np.dtype:
  if name == SINCE_SHOWN:
    return np.dtype(np.int32)
  return LABELS.get(name, _REPRESENTATION)


def fingerprint(metadata: Mapping[str, Any], file: str) -> str:
  """Returns the text that binds a rollout to its traces and its shard.

  Args:
    metadata: that of the traces, as given or as read back from JSON.
    file: name of the shard.

  Returns:
    The first 32 hexadecimal digits of a SHA-256.
  """
  as_read_back = json.loads(json.dumps(metadata))
  content = json.dumps([as_read_back, file], sort_keys=True)
  return hashlib.sha256(content.encode()).hexdigest()[:_NUM_DIGITS]


def all_widths(widths: Mapping[str, int]) -> dict[str, int]:
  """Returns numbers per step, of representations and labels."""
  return {**widths, **dict.fromkeys(LABELS, latents.NUM_LATENTS)}


def bytes_per_step(width: int) -> int:
  """Returns the bytes of one step: every number takes four."""
  return _REPRESENTATION.itemsize * width


def features(widths: Mapping[str, int]) -> tfds.features.FeaturesDict:
  """Returns the features by which TFDS reads a rollout with these widths."""
  return tfds.features.FeaturesDict(
    {
      INDEX: np.int64,
      FINGERPRINT: tfds.features.Text(),
      **{
        # As raw bytes: a list of floats is far slower to parse.
        name: tfds.features.Tensor(
          shape=(None, width), dtype=_dtype(name).type, encoding='bytes'
        )
        for name, width in all_widths(widths).items()
      },
    }
  )


def _varint(number: int) -> bytes:
  """Encodes a non-negative integer: seven bits a byte, the lowest first."""
  found = bytearray()
  while number > 0x7F:
    found.append(number & 0x7F | 0x80)
    number >>= 7
  return bytes([*found, number])


def _message(key: bytes, content: bytes, more: int = 0) -> bytes:
  """Starts a field: `content`, with `more` bytes to follow."""
  return key + _varint(len(content) + more) + content


def _layout(
  widths: Mapping[str, int],
  index: int,
  num_steps: int,
  digits: str = '0' * _NUM_DIGITS,
) -> tuple[dict[str, bytes], int]:
  """Lays out a record.

  Returns:
    For each feature in order, the bytes that precede its numbers ('' for the
    start of the record); and the size of the record in bytes.
  """
  parts, size = {}, 0
  every_width = {**all_widths(widths), INDEX: 0, FINGERPRINT: 0}
  for name, width in sorted(every_width.items()):
    num_bytes = num_steps * bytes_per_step(width)
    content, kind = b'', _BYTES_LIST
    if name == INDEX:
      content, kind = _varint(index), _INT64_LIST
    elif name == FINGERPRINT:
      content = digits.encode()
    part = _message(kind, _message(_VALUES, content, num_bytes), num_bytes)
    part = _message(_ENTRY_VALUE, part, num_bytes)
    part = _message(_ENTRY_KEY, name.encode()) + part
    parts[name] = _message(_ENTRY, part, num_bytes)
    size += len(parts[name]) + num_bytes
  start = _message(_FEATURES, b'', size)
  return {'': start, **parts}, len(start) + size


def size_in_bytes(widths: Mapping[str, int], index: int, num_steps: int) -> int:
  """Returns the exact size of a rollout in a file, its TFRecord frame included.

  Raises:
    ValueError: if it is larger than a record can be.
  """
  size = _layout(widths, index, num_steps)[1]
  if size > _MAX_BYTES:
    raise ValueError(
      f'a rollout of {num_steps} steps takes {size / 1e9:.1f} GB, and a record '
      f'holds at most {_MAX_BYTES / 1e9:.1f} GB'
    )
  return size + FRAME_BYTES


def encode(
  widths: Mapping[str, int],
  index: int,
  digits: str,
  arrays: Mapping[str, Sequence[np.ndarray]],
  into: bytearray | None = None,
) -> bytearray:
  """Encodes a rollout.

  Args:
    widths: numbers per step, for each representation.
    index: of the rollout.
    digits: its `fingerprint`.
    arrays: for each representation float32 `[time, widths[name]]`, and
      'classes' int32 and 'values' float32 `[time, 5]`; 'since_shown' is int32.
      Each is a sequence of pieces of any number of steps. The numbers of a step
      must be contiguous.
    into: a record that is no longer needed. It is overwritten if its size fits:
      allocating tens of MB takes longer than filling them.

  Returns:
    The `tf.train.Example`.

  Raises:
    ValueError: if an array does not fit this description.
  """
  num_steps = sum(map(len, arrays['classes']))
  parts, size = _layout(widths, index, num_steps, digits)
  every_width = all_widths(widths)
  record = into if into and len(into) == size else bytearray(size)
  numbers, position = np.frombuffer(record, np.uint8), 0
  for name, before in parts.items():
    record[position : position + len(before)] = before
    position += len(before)
    if name in every_width:
      _check(name, every_width[name], num_steps, arrays[name])
      step = bytes_per_step(every_width[name])
      for piece in arrays[name]:
        end = position + len(piece) * step
        target = numbers[position:end].reshape([len(piece), step])
        target[...] = piece.view(np.uint8)
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
    raise ValueError(f'{name} must have {num_steps} steps, like classes')

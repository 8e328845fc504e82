"""The steps of a DNC, forward and in reverse, compiled by Numba for a CPU.

The formulas are those of `access.py`, `addressing.py` and `plain.py`, with one
write head; `d_x` is the gradient of x. Arrays have one dtype, float32 or
float64. `forward` and `reverse` treat the sequences `low` to `high` of a batch,
so that each processor core can have its own.

All functions are in this file, because Numba compiles a function again only if
its own file has changed, not if another file with what it calls has.
"""

from typing import NamedTuple

import numpy as np

from dnc.recurrence import jit

# Numba computes with them in the type of the other number.
_ZERO, _ONE = np.int8(0), np.int8(1)
# Columns computed at once, so that sums stay in the fastest cache.
_BLOCK = 512


class States(NamedTuple):
  """States before the first step and after each: `[time + 1, batch, ...]`.

  The fields have the order of a flattened `DNCState`. The shapes here are
  without time and batch.

  Attributes:
    words: r_t, `[num_reads, W]`.
    memory: M_t, `[N, W]`.
    reads: w_t^r, `[num_reads, N]`.
    writes: w_t^w, `[1, N]`.
    link: L_t, `[1, N, N]`.
    precedence: p_t, `[1, N]`.
    usage: u_t, `[N]`.
    hidden: h_t, `[hidden_size]`.
    cell: s_t, `[hidden_size]`.
  """

  words: np.ndarray
  memory: np.ndarray
  reads: np.ndarray
  writes: np.ndarray
  link: np.ndarray
  precedence: np.ndarray
  usage: np.ndarray
  hidden: np.ndarray
  cell: np.ndarray


class Inner(NamedTuple):
  """What is computed within the steps: `[time, batch, ...]`.

  The shapes here are without time and batch.

  Attributes:
    gates: gates_t, `[4 hidden_size]`.
    interface: what `_bound` returns, `[interface_size]`.
    norms: |M_{t-1}[j]|, `[N]`, also after the last step.
    similarity: of words and keys, `[1 + num_reads, N]`; the write head first.
    content: c_t^w and c_t^r, of the same shape.
    forth: f_t, `[num_reads, N]`.
    back: b_t, `[num_reads, N]`.
    allocation: a_t, `[N]`.
    order: slots by rising usage, `[N]`; that of step t at `[t + 1]`.
  """

  gates: np.ndarray
  interface: np.ndarray
  norms: np.ndarray
  similarity: np.ndarray
  content: np.ndarray
  forth: np.ndarray
  back: np.ndarray
  allocation: np.ndarray
  order: np.ndarray


@jit.jit
def _add_product(x, matrix, out):
  """Adds a product of few rows: out += x matrix."""
  rows, size = x.shape
  for c in range(0, matrix.shape[1], _BLOCK):
    for k in range(0, size - size % 4, 4):
      m0, m1 = matrix[k, c : c + _BLOCK], matrix[k + 1, c : c + _BLOCK]
      m2, m3 = matrix[k + 2, c : c + _BLOCK], matrix[k + 3, c : c + _BLOCK]
      for i in range(0, rows - 1, 2):
        sums, more = out[i, c : c + _BLOCK], out[i + 1, c : c + _BLOCK]
        x0, x1, x2, x3 = x[i, k], x[i, k + 1], x[i, k + 2], x[i, k + 3]
        y0, y1 = x[i + 1, k], x[i + 1, k + 1]
        y2, y3 = x[i + 1, k + 2], x[i + 1, k + 3]
        for j in range(sums.size):
          sums[j] += x0 * m0[j] + x1 * m1[j] + x2 * m2[j] + x3 * m3[j]
          more[j] += y0 * m0[j] + y1 * m1[j] + y2 * m2[j] + y3 * m3[j]
      if rows % 2:
        sums, i = out[rows - 1, c : c + _BLOCK], rows - 1
        for j in range(sums.size):
          sums[j] += (
            x[i, k] * m0[j]
            + x[i, k + 1] * m1[j]
            + x[i, k + 2] * m2[j]
            + x[i, k + 3] * m3[j]
          )
    for k in range(size - size % 4, size):
      row = matrix[k, c : c + _BLOCK]
      for i in range(rows):
        sums = out[i, c : c + _BLOCK]
        for j in range(sums.size):
          sums[j] += x[i, k] * row[j]


@jit.jit
def _sigmoid(x):
  return _ONE / (_ONE + np.exp(-x))


@jit.jit
def _softplus(x):
  return max(x, _ZERO) + np.log1p(np.exp(-abs(x)))


@jit.jit
def _clip(x, bound):
  """Clips a number, but not NaN."""
  if x > bound:
    return bound
  return -bound if x < -bound else x


@jit.jit
def _control(gates, cell, clip, new_cell, hidden):
  """A step of the LSTM."""
  size = cell.size
  for j in range(size):
    i, f = _sigmoid(gates[j]), _sigmoid(gates[size + j])
    g, o = np.tanh(gates[2 * size + j]), _sigmoid(gates[3 * size + j])
    s = f * cell[j] + i * g
    hidden[j] = _clip(o * np.tanh(s), clip)
    new_cell[j] = _clip(s, clip)


@jit.jit
def _control_reverse(gates, cell, clip, d_hidden, d_cell, d_gates):
  """The reverse of `_control`; `d_cell` becomes that of the state before."""
  size = cell.size
  for j in range(size):
    i, f = _sigmoid(gates[j]), _sigmoid(gates[size + j])
    g, o = np.tanh(gates[2 * size + j]), _sigmoid(gates[3 * size + j])
    s = f * cell[j] + i * g
    tanh = np.tanh(s)
    d_h = d_hidden[j] if abs(o * tanh) <= clip else _ZERO
    d_s = d_cell[j] if abs(s) <= clip else _ZERO
    d_s += d_h * o * (_ONE - tanh * tanh)
    d_gates[j] = d_s * g * i * (_ONE - i)
    d_gates[size + j] = d_s * cell[j] * f * (_ONE - f)
    d_gates[2 * size + j] = d_s * i * (_ONE - g * g)
    d_gates[3 * size + j] = d_h * tanh * o * (_ONE - o)
    d_cell[j] = d_s * f


@jit.jit
def _four(i, size):
  """Four rows from i on; past the last, that one again."""
  return i, min(i + 1, size - 1), min(i + 2, size - 1), min(i + 3, size - 1)


@jit.jit
def _at_four(x, i):
  """The numbers of four rows; 0 past the last."""
  return (
    x[i],
    x[i + 1] if i + 1 < x.size else _ZERO,
    x[i + 2] if i + 2 < x.size else _ZERO,
    x[i + 3] if i + 3 < x.size else _ZERO,
  )


@jit.jit
def _update_link(link, precedence, writes, i, new):
  """L_t[i]."""
  to, write = _ONE - writes[i], writes[i]
  row = link[i]
  for j in range(row.size):
    new[j] = (to - writes[j]) * row[j] + write * precedence[j]
  new[i] = _ZERO


@jit.jit
def _move(row0, row1, row2, row3, factors, vector, sums):
  """Adds the rows times factors to `sums`; returns the rows times a vector."""
  a0, a1, a2, a3 = factors
  f0, f1, f2, f3 = _ZERO, _ZERO, _ZERO, _ZERO
  for j in range(sums.size):
    sums[j] += a0 * row0[j] + a1 * row1[j] + a2 * row2[j] + a3 * row3[j]
    f0 += vector[j] * row0[j]
    f1 += vector[j] * row1[j]
    f2 += vector[j] * row2[j]
    f3 += vector[j] * row3[j]
  return f0, f1, f2, f3


@jit.jit
def _link_and_move(link, precedence, writes, reads, new_link, forth, back):
  """L_t, f_t and b_t."""
  size = writes.size
  back[:] = _ZERO
  for i in range(0, size, 4):
    for k in range(i, min(i + 4, size)):
      _update_link(link, precedence, writes, k, new_link[k])
    i0, i1, i2, i3 = _four(i, size)
    row0, row1, row2, row3 = (
      new_link[i0],
      new_link[i1],
      new_link[i2],
      new_link[i3],
    )
    for r in range(reads.shape[0]):
      f0, f1, f2, f3 = _move(
        row0, row1, row2, row3, _at_four(reads[r], i), reads[r], back[r]
      )
      forth[r, i0], forth[r, i1], forth[r, i2], forth[r, i3] = f0, f1, f2, f3


@jit.jit
def _link_and_move_reverse(
  link,
  precedence,
  writes,
  reads,
  d_forth,
  d_back,
  d_link,
  d_precedence,
  d_writes,
  d_reads,
):
  """The reverse; adds to the gradients; `d_link` becomes that before."""
  size = writes.size
  new = np.empty((4, size), link.dtype)
  for i in range(0, size, 4):
    rows = min(4, size - i)
    for k in range(rows):
      _update_link(link, precedence, writes, i + k, new[k])
    new[rows:] = _ZERO
    new0, new1, new2, new3 = new[0], new[1], new[2], new[3]
    i0, i1, i2, i3 = _four(i, size)
    for r in range(reads.shape[0]):
      d_read, later, ahead = d_reads[r], d_back[r], d_forth[r]
      f0, f1, f2, f3 = _move(
        new0, new1, new2, new3, _at_four(ahead, i), later, d_read
      )
      # Rows past the last are 0.
      d_read[i0] += f0
      d_read[i1] += f1
      d_read[i2] += f2
      d_read[i3] += f3
    for k in range(i, i + rows):
      d, row, write, to = d_link[k], link[k], writes[k], _ONE - writes[k]
      for r in range(0, reads.shape[0] - 1, 2):
        a0, b0, read0, later0 = d_forth[r, k], reads[r, k], reads[r], d_back[r]
        a1, b1, read1, later1 = (
          d_forth[r + 1, k],
          reads[r + 1, k],
          reads[r + 1],
          d_back[r + 1],
        )
        for j in range(size):
          d[j] += (
            a0 * read0[j] + b0 * later0[j] + a1 * read1[j] + b1 * later1[j]
          )
      if reads.shape[0] % 2:
        a0, b0, read0, later0 = (
          d_forth[-1, k],
          reads[-1, k],
          reads[-1],
          d_back[-1],
        )
        for j in range(size):
          d[j] += a0 * read0[j] + b0 * later0[j]
      d[k] = _ZERO
      total = _ZERO
      # Loops that write to one array each, or they would not be vectorized.
      for j in range(size):
        total += d[j] * (precedence[j] - row[j])
        d_writes[j] -= d[j] * row[j]
      for j in range(size):
        d_precedence[j] += write * d[j]
      for j in range(size):
        d[j] *= to - writes[j]
      d_writes[k] += total


@jit.jit
def _bound(raw, num_reads, word_size, x):
  """`MemoryAccess.split_interface`: bounds gates, modes and strengths."""
  x[:] = raw
  gates = word_size * 2 + num_reads + 2
  modes = gates + 3 * num_reads
  for j in range(word_size, gates):
    x[j] = _sigmoid(raw[j])
  for j in range(gates, modes, 3):
    most = max(raw[j], raw[j + 1], raw[j + 2])
    total = _ZERO
    for k in range(j, j + 3):
      x[k] = np.exp(raw[k] - most)
      total += x[k]
    for k in range(j, j + 3):
      x[k] /= total
  write = modes + word_size
  x[write] = _softplus(raw[write])
  for j in range(raw.size - num_reads, raw.size):
    x[j] = _softplus(raw[j])


@jit.jit
def _bound_reverse(x, num_reads, word_size, d):
  """The reverse of `_bound`; `d`, the gradient of `x`, becomes that of raw."""
  gates = word_size * 2 + num_reads + 2
  modes = gates + 3 * num_reads
  for j in range(word_size, gates):
    d[j] *= x[j] * (_ONE - x[j])
  for j in range(gates, modes, 3):
    mean = x[j] * d[j] + x[j + 1] * d[j + 1] + x[j + 2] * d[j + 2]
    for k in range(j, j + 3):
      d[k] = x[k] * (d[k] - mean)
  d[modes + word_size] *= -np.expm1(-x[modes + word_size])
  for j in range(x.size - num_reads, x.size):
    d[j] *= -np.expm1(-x[j])


@jit.jit
def _dot(x, y):
  total = x[0] * y[0]
  for j in range(1, x.size):
    total += x[j] * y[j]
  return total


@jit.jit
def _norm(x, epsilon):
  return np.sqrt(_dot(x, x) + epsilon)


@jit.jit
def _look_up(memory, norms, key, strength, epsilon, similarity, weights):
  """`CosineWeights` of one head, and the similarities."""
  key_norm = _norm(key, epsilon)
  for j in range(norms.size):
    similarity[j] = _dot(memory[j], key) / (key_norm * norms[j] + epsilon)
  most, total = similarity.max() * strength, _ZERO
  for j in range(norms.size):
    weights[j] = np.exp(similarity[j] * strength - most)
    total += weights[j]
  for j in range(norms.size):
    weights[j] /= total


@jit.jit
def _look_up_reverse(
  memory,
  norms,
  key,
  strength,
  epsilon,
  similarity,
  weights,
  d_weights,
  d_memory,
  d_key,
):
  """The reverse of `_look_up`; adds to `d_memory`; returns that of strength."""
  key_norm = _norm(key, epsilon)
  mean, d_strength, d_norm = _dot(weights, d_weights), _ZERO, _ZERO
  d_key[:] = _ZERO
  for j in range(norms.size):
    d = weights[j] * (d_weights[j] - mean)
    d_strength += d * similarity[j]
    d *= strength / (key_norm * norms[j] + epsilon)
    d_product = -d * similarity[j]
    d_norm += d_product * norms[j]
    scale = d_product * key_norm / norms[j]
    row, d_row = memory[j], d_memory[j]
    for k in range(key.size):
      d_key[k] += d * row[k]
      d_row[k] += d * key[k] + scale * row[k]
  for k in range(key.size):
    d_key[k] += d_norm / key_norm * key[k]
  return d_strength


@jit.jit
def _sort(nonusage, order):
  """Sorts slots by falling nonusage, then by rising index.

  They are sorted by insertion, since the order changes little in a step.
  """
  for i in range(1, order.size):
    slot, k = order[i], i
    free = nonusage[slot]
    while k > 0:
      other = order[k - 1]
      if not (
        nonusage[other] < free or (nonusage[other] == free and other > slot)
      ):
        break
      order[k] = other
      k -= 1
    order[k] = slot


@jit.jit
def _allocate(usage, epsilon, order, allocation):
  """`Freeness`'s allocation weights; sorts `order` by usage."""
  nonusage = _ONE - (epsilon + (_ONE - epsilon) * usage)
  _sort(nonusage, order)
  used = _ONE
  for j in order:
    allocation[j] = nonusage[j] * used
    used *= _ONE - nonusage[j]


@jit.jit
def _allocate_reverse(usage, epsilon, order, allocation, d_allocation, d_usage):
  """The reverse of `_allocate`; adds to `d_usage`."""
  nonusage = _ONE - (epsilon + (_ONE - epsilon) * usage)
  used, later = _ONE, _ZERO
  for j in order:
    d_usage[j] -= (_ONE - epsilon) * used * d_allocation[j]
    used *= _ONE - nonusage[j]
  for j in order[::-1]:
    d_usage[j] += (_ONE - epsilon) * later / (_ONE - nonusage[j])
    later += allocation[j] * d_allocation[j]


@jit.jit
def _use(usage, writes, reads, free_gates, j):
  """Usage of a slot after the write, and what the free gates leave of it."""
  left = _ONE
  for r in range(free_gates.size):
    left *= _ONE - free_gates[r] * reads[r, j]
  return usage[j] + (_ONE - usage[j]) * (_ONE - (_ONE - writes[j])), left


@jit.jit
def _split(x, num_reads, word_size):
  """The parts of an interface vector, in the order of `MemoryAccess`."""
  r, w = num_reads, word_size
  gates = 2 * w + r
  keys = gates + 2 + 3 * r
  return (
    x[:w],
    x[w : 2 * w],
    x[2 * w : gates],
    x[gates : gates + 2],
    x[gates + 2 : keys].reshape((r, 3)),
    x[keys : keys + w],
    x[keys + w : keys + w + 1],
    x[keys + w + 1 : x.size - r].reshape((r, w)),
    x[x.size - r :],
  )


@jit.jit
def _access(t, b, epsilon, s, k):
  """`MemoryAccess.read_and_write` of step t of sequence b."""
  num_reads, size = s.reads.shape[2:]
  word_size = s.memory.shape[3]
  vector, erase, free, gates, modes, key, strength, keys, strengths = _split(
    k.interface[t, b], num_reads, word_size
  )
  memory, new_memory = s.memory[t, b], s.memory[t + 1, b]
  norms, new_norms = k.norms[t, b], k.norms[t + 1, b]
  reads, new_reads = s.reads[t, b], s.reads[t + 1, b]
  writes, usage = s.writes[t + 1, b, 0], s.usage[t + 1, b]
  content, similarity = k.content[t, b], k.similarity[t, b]
  forth, back, words = k.forth[t, b], k.back[t, b], s.words[t + 1, b]
  for j in range(size):
    used, left = _use(s.usage[t, b], s.writes[t, b, 0], reads, free, j)
    usage[j] = used * left
  _look_up(memory, norms, key, strength[0], epsilon, similarity[0], content[0])
  allocation = k.allocation[t, b]
  order = k.order[t + 1, b]
  order[:] = k.order[t, b]
  _allocate(usage, epsilon, order, allocation)
  total = _ZERO
  for j in range(size):
    writes[j] = gates[1] * (
      gates[0] * allocation[j] + (_ONE - gates[0]) * content[0, j]
    )
    total += writes[j]
  precedence, new_precedence = s.precedence[t, b, 0], s.precedence[t + 1, b, 0]
  for j in range(size):
    row, new_row, write = memory[j], new_memory[j], writes[j]
    for i in range(word_size):
      new_row[i] = row[i] * (_ONE - write * erase[i]) + write * vector[i]
    new_norms[j] = _norm(new_row, epsilon)
    new_precedence[j] = (_ONE - total) * precedence[j] + write
  link, new_link = s.link[t, b, 0], s.link[t + 1, b, 0]
  _link_and_move(link, precedence, writes, reads, new_link, forth, back)
  words[:] = _ZERO
  for r in range(num_reads):
    found = similarity[r + 1], content[r + 1]
    _look_up(new_memory, new_norms, keys[r], strengths[r], epsilon, *found)
    for j in range(size):
      read = (
        modes[r, 0] * back[r, j]
        + modes[r, 1] * forth[r, j]
        + modes[r, 2] * content[r + 1, j]
      )
      new_reads[r, j] = read
      row, word = new_memory[j], words[r]
      for i in range(word_size):
        word[i] += read * row[i]


@jit.jit
def _read_reverse(t, b, epsilon, s, k, d, parts, d_parts, d_forth, d_back):
  """The reverse of reading; `d_forth` and `d_back` become gradients."""
  modes, keys, strengths = parts[4], parts[7], parts[8]
  d_modes, d_keys, d_strengths = d_parts[4], d_parts[7], d_parts[8]
  memory, d_memory = s.memory[t + 1, b], d.memory[b]
  forth, back, content = k.forth[t, b], k.back[t, b], k.content[t, b, 1:]
  d_content = np.empty_like(d.usage[b])
  for r in range(modes.shape[0]):
    d_word, reads, d_reads = d.words[b, r], s.reads[t + 1, b, r], d.reads[b, r]
    for j in range(reads.size):
      d_read = d_reads[j] + _dot(d_word, memory[j])
      d_row = d_memory[j]
      for i in range(d_word.size):
        d_row[i] += reads[j] * d_word[i]
      d_modes[r, 0] += d_read * back[r, j]
      d_modes[r, 1] += d_read * forth[r, j]
      d_modes[r, 2] += d_read * content[r, j]
      d_back[r, j] = modes[r, 0] * d_read
      d_forth[r, j] = modes[r, 1] * d_read
      d_content[j] = modes[r, 2] * d_read
    found = memory, k.norms[t + 1, b], keys[r], strengths[r], epsilon
    similarity = k.similarity[t, b, r + 1]
    d_strengths[r] = _look_up_reverse(
      *found, similarity, content[r], d_content, d_memory, d_keys[r]
    )


@jit.jit
def _link_reverse(t, b, s, d, d_forth, d_back):
  """The reverse of link and precedence; `d.reads` becomes that before."""
  precedence, writes = s.precedence[t, b, 0], s.writes[t + 1, b, 0]
  d_precedence, d_writes = d.precedence[b, 0], d.writes[b, 0]
  left = _ONE - writes.sum()
  product = _dot(d_precedence, precedence)
  for j in range(writes.size):
    d_writes[j] += d_precedence[j] - product
    d_precedence[j] *= left
  d.reads[b] = _ZERO
  before = s.link[t, b, 0], precedence, writes, s.reads[t, b]
  after = d_forth, d_back, d.link[b, 0], d_precedence, d_writes, d.reads[b]
  _link_and_move_reverse(*before, *after)


@jit.jit
def _write_reverse(t, b, epsilon, s, k, d, parts, d_parts):
  """The reverse of writing to memory, and of the write weights."""
  vector, erase, gates, key, strength = (
    parts[0],
    parts[1],
    parts[3],
    parts[5],
    parts[6],
  )
  d_vector, d_erase, d_gates = d_parts[0], d_parts[1], d_parts[3]
  memory, d_memory = s.memory[t, b], d.memory[b]
  writes, d_writes = s.writes[t + 1, b, 0], d.writes[b, 0]
  allocation, content = k.allocation[t, b], k.content[t, b, 0]
  d_allocation, d_content = np.empty_like(writes), np.empty_like(writes)
  for j in range(writes.size):
    row, d_row, write, d_write = memory[j], d_memory[j], writes[j], d_writes[j]
    for i in range(row.size):
      factor = _ONE - write * erase[i]
      d_factor = d_row[i] * row[i] if factor != _ZERO else _ZERO
      d_write += vector[i] * d_row[i] - erase[i] * d_factor
      d_vector[i] += write * d_row[i]
      d_erase[i] -= write * d_factor
      d_row[i] *= factor
    a, c = allocation[j], content[j]
    d_gates[0] += d_write * gates[1] * (a - c)
    d_gates[1] += d_write * (gates[0] * a + (_ONE - gates[0]) * c)
    d_allocation[j] = d_write * gates[1] * gates[0]
    d_content[j] = d_write * gates[1] * (_ONE - gates[0])
    d_writes[j] = _ZERO  # No gradient flows to the write before.
  order = k.order[t + 1, b]
  _allocate_reverse(
    s.usage[t + 1, b], epsilon, order, allocation, d_allocation, d.usage[b]
  )
  found = memory, k.norms[t, b], key, strength[0], epsilon
  similarity = k.similarity[t, b, 0]
  d_parts[6][0] = _look_up_reverse(
    *found, similarity, content, d_content, d_memory, d_parts[5]
  )


@jit.jit
def _usage_reverse(t, b, s, d, free, d_free):
  """The reverse of the usage."""
  usage, writes, reads = s.usage[t, b], s.writes[t, b, 0], s.reads[t, b]
  d_usage, d_reads = d.usage[b], d.reads[b]
  for j in range(usage.size):
    used, left = _use(usage, writes, reads, free, j)
    d_left = d_usage[j] * used * left
    for r in range(free.size):
      factor = _ONE - free[r] * reads[r, j]
      d_factor = d_left / factor if factor != _ZERO else _ZERO
      d_free[r] -= d_factor * reads[r, j]
      d_reads[r, j] -= d_factor * free[r]
    d_usage[j] *= left * (_ONE - writes[j])


@jit.jit
def _access_reverse(t, b, epsilon, s, k, d, d_interface):
  """The reverse of `_access`.

  Args:
    t: the step.
    b: the sequence.
    epsilon: as of `forward`.
    s: `States`.
    k: `Inner`.
    d: `States` of gradients, `[batch, ...]`: after the step; then before it,
      except `words`.
    d_interface: becomes the gradient of xi_t, `[interface_size]`.
  """
  num_reads, word_size = s.words.shape[2:]
  parts = _split(k.interface[t, b], num_reads, word_size)
  d_parts = _split(d_interface, num_reads, word_size)
  d_interface[:] = _ZERO
  d_forth, d_back = np.empty_like(d.reads[b]), np.empty_like(d.reads[b])
  _read_reverse(t, b, epsilon, s, k, d, parts, d_parts, d_forth, d_back)
  _link_reverse(t, b, s, d, d_forth, d_back)
  _write_reverse(t, b, epsilon, s, k, d, parts, d_parts)
  _usage_reverse(t, b, s, d, parts[2], d_parts[2])
  _bound_reverse(k.interface[t, b], num_reads, word_size, d_interface)


@jit.jit
def forward(
  low, high, projected, recurrent, interface, bias, clip, epsilon, s, k
):
  """All steps of sequences `low` to `high`.

  Args:
    low: the first sequence.
    high: after the last one.
    projected: x_t W_x + b, `[time, batch, 4 hidden_size]`.
    recurrent: as of `plain.Weights`.
    interface: as of `plain.Weights`.
    bias: as of `plain.Weights`.
    clip: the bound on the controller's state, infinity for none.
    epsilon: what keeps norms and usage above 0.
    s: `States`, of which the first is given.
    k: `Inner`, to be computed.
  """
  num_reads, word_size = s.words.shape[2:]
  num_words = num_reads * word_size
  inputs = np.empty((high - low, recurrent.shape[0]), projected.dtype)
  raw = np.empty((high - low, bias.size), projected.dtype)
  for b in range(low, high):
    for j in range(s.usage.shape[2]):
      k.order[0, b, j] = j
      k.norms[0, b, j] = _norm(s.memory[0, b, j], epsilon)
  for t in range(projected.shape[0]):
    for b in range(low, high):
      inputs[b - low, :num_words] = s.words[t, b].reshape(num_words)
      inputs[b - low, num_words:] = s.hidden[t, b]
      k.gates[t, b] = projected[t, b]
      raw[b - low] = bias
    _add_product(inputs, recurrent, k.gates[t, low:high])
    for b in range(low, high):
      _control(
        k.gates[t, b], s.cell[t, b], clip, s.cell[t + 1, b], s.hidden[t + 1, b]
      )
    _add_product(s.hidden[t + 1, low:high], interface, raw)
    for b in range(low, high):
      _bound(raw[b - low], num_reads, word_size, k.interface[t, b])
      _access(t, b, epsilon, s, k)


@jit.jit
def reverse(
  low,
  high,
  recurrent,
  interface,
  clip,
  epsilon,
  s,
  k,
  d_words,
  d_hidden,
  d,
  d_gates,
  d_interface,
):
  """The reverse of `forward`.

  Args:
    low: the first sequence.
    high: after the last one.
    recurrent: transposed.
    interface: transposed.
    clip: as of `forward`.
    epsilon: as of `forward`.
    s: `States`, all given.
    k: `Inner`, all given.
    d_words: the gradient of r_t of each step, `[time, batch, num_reads, W]`.
    d_hidden: the gradient of h_t of each step, `[time, batch, hidden_size]`.
    d: `States` of gradients, `[batch, ...]`: of the last state; then of the
      first.
    d_gates: becomes the gradient of gates_t.
    d_interface: becomes the gradient of xi_t.
  """
  num_words, hidden_size = d.words[0].size, d.hidden.shape[1]
  d_inputs = np.empty((high - low, num_words + hidden_size), d.words.dtype)
  for t in range(d_words.shape[0] - 1, -1, -1):
    for b in range(low, high):
      d.words[b] += d_words[t, b]
      d.hidden[b] += d_hidden[t, b]
      _access_reverse(t, b, epsilon, s, k, d, d_interface[t, b])
    _add_product(d_interface[t, low:high], interface, d.hidden[low:high])
    for b in range(low, high):
      _control_reverse(
        k.gates[t, b], s.cell[t, b], clip, d.hidden[b], d.cell[b], d_gates[t, b]
      )
    d_inputs[:] = _ZERO
    _add_product(d_gates[t, low:high], recurrent, d_inputs)
    for b in range(low, high):
      d.words[b] = d_inputs[b - low, :num_words].reshape(d.words[b].shape)
      d.hidden[b] = d_inputs[b - low, num_words:]

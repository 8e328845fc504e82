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

_EPSILON = 1e-6
# Columns computed at once, so that sums stay in the fastest cache.
_BLOCK = 512


class States(NamedTuple):
  """States before the first step and after each, arrays `[time + 1, batch,`.

  Attributes:
    words: r_t, `num_reads, W]`.
    memory: M_t, `N, W]`.
    reads: w_t^r, `num_reads, N]`.
    writes: w_t^w, `1, N]`.
    link: L_t, `1, N, N]`.
    precedence: p_t, `1, N]`.
    usage: u_t, `N]`.
    hidden: h_t, `hidden_size]`.
    cell: s_t, `hidden_size]`.
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
  """What is computed within the steps, arrays `[time, batch,`.

  Attributes:
    gates: gates_t, `4 hidden_size]`.
    interface: what `_bound` returns, `interface_size]`.
    norms: |M_{t-1}[j]|, `N]`, also after the last step.
    similarity: of words and keys, `1 + num_reads, N]`, of the write head first.
    content: c_t^w and c_t^r, of the same shape.
    forth: f_t, `num_reads, N]`.
    back: b_t, `num_reads, N]`.
    allocation: a_t, `N]`.
    order: slots by rising usage, `N]`.
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
def _sigmoid(x, one):
  return one / (one + np.exp(-x))


@jit.jit
def _softplus(x, one):
  return max(x, one - one) + np.log1p(np.exp(-abs(x)))


@jit.jit
def _control(gates, cell, clip, new_cell, hidden):
  """A step of the LSTM."""
  one, size = cell.dtype.type(1), cell.size
  for j in range(size):
    i, f = _sigmoid(gates[j], one), _sigmoid(gates[size + j], one)
    g, o = np.tanh(gates[2 * size + j]), _sigmoid(gates[3 * size + j], one)
    s = f * cell[j] + i * g
    hidden[j] = min(max(o * np.tanh(s), -clip), clip)
    new_cell[j] = min(max(s, -clip), clip)


@jit.jit
def _control_reverse(gates, cell, clip, d_hidden, d_cell, d_gates):
  """The reverse of `_control`; `d_cell` becomes that of the state before."""
  one, size = cell.dtype.type(1), cell.size
  zero = one - one
  for j in range(size):
    i, f = _sigmoid(gates[j], one), _sigmoid(gates[size + j], one)
    g, o = np.tanh(gates[2 * size + j]), _sigmoid(gates[3 * size + j], one)
    s = f * cell[j] + i * g
    tanh = np.tanh(s)
    d_h = d_hidden[j] if abs(o * tanh) <= clip else zero
    d_s = d_cell[j] if abs(s) <= clip else zero
    d_s += d_h * o * (one - tanh * tanh)
    d_gates[j] = d_s * g * i * (one - i)
    d_gates[size + j] = d_s * cell[j] * f * (one - f)
    d_gates[2 * size + j] = d_s * i * (one - g * g)
    d_gates[3 * size + j] = d_h * tanh * o * (one - o)
    d_cell[j] = d_s * f


@jit.jit
def _four(i, size):
  """Four rows from i on; past the last, that one again."""
  return i, min(i + 1, size - 1), min(i + 2, size - 1), min(i + 3, size - 1)


@jit.jit
def _at_four(x, i):
  """The numbers of four rows; 0 past the last."""
  zero = x.dtype.type(0)
  return (
    x[i],
    x[i + 1] if i + 1 < x.size else zero,
    x[i + 2] if i + 2 < x.size else zero,
    x[i + 3] if i + 3 < x.size else zero,
  )


@jit.jit
def _update_link(link, precedence, writes, i, new):
  """L_t[i]."""
  to, write = link.dtype.type(1) - writes[i], writes[i]
  row = link[i]
  for j in range(row.size):
    new[j] = (to - writes[j]) * row[j] + write * precedence[j]
  new[i] = link.dtype.type(0)


@jit.jit
def _link_and_move(link, precedence, writes, reads, new_link, forth, back):
  """L_t, f_t and b_t."""
  zero, size = link.dtype.type(0), writes.size
  back[:] = zero
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
      read, sums = reads[r], back[r]
      a0, a1, a2, a3 = _at_four(read, i)
      f0, f1, f2, f3 = zero, zero, zero, zero
      for j in range(size):
        sums[j] += a0 * row0[j] + a1 * row1[j] + a2 * row2[j] + a3 * row3[j]
        f0 += read[j] * row0[j]
        f1 += read[j] * row1[j]
        f2 += read[j] * row2[j]
        f3 += read[j] * row3[j]
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
  one, size = link.dtype.type(1), writes.size
  zero = one - one
  new = np.empty((4, size), link.dtype)
  for i in range(0, size, 4):
    rows = min(4, size - i)
    for k in range(rows):
      _update_link(link, precedence, writes, i + k, new[k])
    new[rows:] = zero
    new0, new1, new2, new3 = new[0], new[1], new[2], new[3]
    i0, i1, i2, i3 = _four(i, size)
    for r in range(reads.shape[0]):
      d_read, later, ahead = d_reads[r], d_back[r], d_forth[r]
      a0, a1, a2, a3 = _at_four(ahead, i)
      f0, f1, f2, f3 = zero, zero, zero, zero
      for j in range(size):
        d_read[j] += a0 * new0[j] + a1 * new1[j] + a2 * new2[j] + a3 * new3[j]
        f0 += later[j] * new0[j]
        f1 += later[j] * new1[j]
        f2 += later[j] * new2[j]
        f3 += later[j] * new3[j]
      # Rows past the last are 0.
      d_read[i0] += f0
      d_read[i1] += f1
      d_read[i2] += f2
      d_read[i3] += f3
    for k in range(i, i + rows):
      d, row, write, to = d_link[k], link[k], writes[k], one - writes[k]
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
      d[k] = zero
      total = zero
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
  one = raw.dtype.type(1)
  zero = one - one
  x[:] = raw
  gates = word_size * 2 + num_reads + 2
  modes = gates + 3 * num_reads
  for j in range(word_size, gates):
    x[j] = _sigmoid(raw[j], one)
  for j in range(gates, modes, 3):
    most = max(raw[j], raw[j + 1], raw[j + 2])
    total = zero
    for k in range(j, j + 3):
      x[k] = np.exp(raw[k] - most)
      total += x[k]
    for k in range(j, j + 3):
      x[k] /= total
  write = modes + word_size
  x[write] = _softplus(raw[write], one)
  for j in range(raw.size - num_reads, raw.size):
    x[j] = _softplus(raw[j], one)


@jit.jit
def _bound_reverse(x, num_reads, word_size, d):
  """The reverse of `_bound`; `d`, the gradient of `x`, becomes that of raw."""
  one = x.dtype.type(1)
  gates = word_size * 2 + num_reads + 2
  modes = gates + 3 * num_reads
  for j in range(word_size, gates):
    d[j] *= x[j] * (one - x[j])
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
def _look_up(memory, norms, key, strength, similarity, weights):
  """`CosineWeights` of one head, and the similarities."""
  epsilon = memory.dtype.type(_EPSILON)
  key_norm = _norm(key, epsilon)
  for j in range(norms.size):
    similarity[j] = _dot(memory[j], key) / (key_norm * norms[j] + epsilon)
  most, total = similarity.max() * strength, epsilon - epsilon
  for j in range(norms.size):
    weights[j] = np.exp(similarity[j] * strength - most)
    total += weights[j]
  for j in range(norms.size):
    weights[j] /= total


@jit.jit
def _look_up_reverse(
  memory, norms, key, strength, similarity, weights, d_weights, d_memory, d_key
):
  """The reverse of `_look_up`; adds to `d_memory`; returns that of strength."""
  epsilon = memory.dtype.type(_EPSILON)
  key_norm = _norm(key, epsilon)
  zero = epsilon - epsilon
  mean, d_strength, d_norm = _dot(weights, d_weights), zero, zero
  d_key[:] = zero
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
def _allocate(usage, order, allocation):
  """`Freeness`'s allocation weights, and the slots in order of usage."""
  one, epsilon = usage.dtype.type(1), usage.dtype.type(_EPSILON)
  nonusage = one - (epsilon + (one - epsilon) * usage)
  order[:] = np.argsort(-nonusage, kind='mergesort')
  used = one
  for j in order:
    allocation[j] = nonusage[j] * used
    used *= one - nonusage[j]


@jit.jit
def _allocate_reverse(usage, order, allocation, d_allocation, d_usage):
  """The reverse of `_allocate`; adds to `d_usage`."""
  one, epsilon = usage.dtype.type(1), usage.dtype.type(_EPSILON)
  nonusage = one - (epsilon + (one - epsilon) * usage)
  used, later = one, one - one
  for j in order:
    d_usage[j] -= (one - epsilon) * used * d_allocation[j]
    used *= one - nonusage[j]
  for j in order[::-1]:
    d_usage[j] += (one - epsilon) * later / (one - nonusage[j])
    later += allocation[j] * d_allocation[j]


@jit.jit
def _use(usage, writes, reads, free_gates, j, one):
  """Usage of a slot after the write, and what the free gates leave of it."""
  left = one
  for r in range(free_gates.size):
    left *= one - free_gates[r] * reads[r, j]
  return usage[j] + (one - usage[j]) * (one - (one - writes[j])), left


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
def _access(t, b, s, k):
  """`MemoryAccess.read_and_write` of step t of sequence b."""
  one = s.usage.dtype.type(1)
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
    used, left = _use(s.usage[t, b], s.writes[t, b, 0], reads, free, j, one)
    usage[j] = used * left
  _look_up(memory, norms, key, strength[0], similarity[0], content[0])
  allocation = k.allocation[t, b]
  _allocate(usage, k.order[t, b], allocation)
  total = one - one
  for j in range(size):
    writes[j] = gates[1] * (
      gates[0] * allocation[j] + (one - gates[0]) * content[0, j]
    )
    total += writes[j]
  for j in range(size):
    row, new_row, write = memory[j], new_memory[j], writes[j]
    for i in range(word_size):
      new_row[i] = row[i] * (one - write * erase[i]) + write * vector[i]
    new_norms[j] = _norm(new_row, s.usage.dtype.type(_EPSILON))
    s.precedence[t + 1, b, 0, j] = (one - total) * s.precedence[
      t, b, 0, j
    ] + write
  _link_and_move(
    s.link[t, b, 0],
    s.precedence[t, b, 0],
    writes,
    reads,
    s.link[t + 1, b, 0],
    forth,
    back,
  )
  words[:] = one - one
  for r in range(num_reads):
    _look_up(
      new_memory,
      new_norms,
      keys[r],
      strengths[r],
      similarity[r + 1],
      content[r + 1],
    )
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
def _access_reverse(t, b, s, k, d, d_interface):
  """The reverse of `_access`.

  Args:
    t: the step.
    b: the sequence.
    s: `States`.
    k: `Inner`.
    d: `States` of gradients, `[batch, ...]`: after the step; then before it,
      except `words`.
    d_interface: becomes the gradient of xi_t, `[interface_size]`.
  """
  one = s.usage.dtype.type(1)
  zero = one - one
  num_reads, size = s.reads.shape[2:]
  word_size = s.memory.shape[3]
  x = k.interface[t, b]
  vector, erase, free, gates, modes, key, strength, keys, strengths = _split(
    x, num_reads, word_size
  )
  (
    d_vector,
    d_erase,
    d_free,
    d_gates,
    d_modes,
    d_key,
    d_strength,
    d_keys,
    d_strengths,
  ) = _split(d_interface, num_reads, word_size)
  d_interface[:] = zero
  memory, new_memory = s.memory[t, b], s.memory[t + 1, b]
  reads, content, similarity = (
    s.reads[t, b],
    k.content[t, b],
    k.similarity[t, b],
  )
  writes, d_memory, d_writes = (
    s.writes[t + 1, b, 0],
    d.memory[b],
    d.writes[b, 0],
  )
  d_precedence, d_reads, d_usage = d.precedence[b, 0], d.reads[b], d.usage[b]
  precedence, allocation = s.precedence[t, b, 0], k.allocation[t, b]
  d_content = np.empty_like(writes)
  d_forth, d_back = np.empty_like(reads), np.empty_like(reads)
  for r in range(num_reads):
    d_word, word_reads = d.words[b, r], s.reads[t + 1, b, r]
    for j in range(size):
      row, d_row, read = new_memory[j], d_memory[j], word_reads[j]
      d_read = d_reads[r, j] + _dot(d_word, row)
      for i in range(word_size):
        d_row[i] += read * d_word[i]
      d_modes[r, 0] += d_read * k.back[t, b, r, j]
      d_modes[r, 1] += d_read * k.forth[t, b, r, j]
      d_modes[r, 2] += d_read * content[r + 1, j]
      d_back[r, j] = modes[r, 0] * d_read
      d_forth[r, j] = modes[r, 1] * d_read
      d_content[j] = modes[r, 2] * d_read
    d_strengths[r] = _look_up_reverse(
      new_memory,
      k.norms[t + 1, b],
      keys[r],
      strengths[r],
      similarity[r + 1],
      content[r + 1],
      d_content,
      d_memory,
      d_keys[r],
    )
  total, product = zero, zero
  for j in range(size):
    total += writes[j]
    product += d_precedence[j] * precedence[j]
  for j in range(size):
    d_writes[j] += d_precedence[j] - product
    d_precedence[j] *= one - total
  d_reads[:] = zero
  _link_and_move_reverse(
    s.link[t, b, 0],
    precedence,
    writes,
    reads,
    d_forth,
    d_back,
    d.link[b, 0],
    d_precedence,
    d_writes,
    d_reads,
  )
  for j in range(size):
    row, d_row, write, d_write = memory[j], d_memory[j], writes[j], zero
    for i in range(word_size):
      factor = one - write * erase[i]
      d_factor = d_row[i] * row[i] if factor != zero else zero
      d_write += vector[i] * d_row[i] - erase[i] * d_factor
      d_vector[i] += write * d_row[i]
      d_erase[i] -= write * d_factor
      d_row[i] *= factor
    d_writes[j] += d_write
  d_allocation = np.empty_like(writes)
  for j in range(size):
    d_write, a, c = d_writes[j], allocation[j], content[0, j]
    d_gates[0] += d_write * gates[1] * (a - c)
    d_gates[1] += d_write * (gates[0] * a + (one - gates[0]) * c)
    d_allocation[j] = d_write * gates[1] * gates[0]
    d_content[j] = d_write * gates[1] * (one - gates[0])
    d_writes[j] = zero  # No gradient flows to the write before.
  _allocate_reverse(
    s.usage[t + 1, b], k.order[t, b], allocation, d_allocation, d_usage
  )
  d_strength[0] = _look_up_reverse(
    memory,
    k.norms[t, b],
    key,
    strength[0],
    similarity[0],
    content[0],
    d_content,
    d_memory,
    d_key,
  )
  prev_writes = s.writes[t, b, 0]
  for j in range(size):
    used, left = _use(s.usage[t, b], prev_writes, reads, free, j, one)
    d_left = d_usage[j] * used * left
    for r in range(num_reads):
      factor = one - free[r] * reads[r, j]
      d_factor = d_left / factor if factor != zero else zero
      d_free[r] -= d_factor * reads[r, j]
      d_reads[r, j] -= d_factor * free[r]
    d_usage[j] *= left * (one - prev_writes[j])
  _bound_reverse(x, num_reads, word_size, d_interface)


@jit.jit
def forward(low, high, projected, recurrent, interface, bias, clip, s, k):
  """All steps of sequences `low` to `high`.

  Args:
    low: the first sequence.
    high: after the last one.
    projected: x_t W_x + b, `[time, batch, 4 hidden_size]`.
    recurrent: as of `plain.Weights`.
    interface: as of `plain.Weights`.
    bias: as of `plain.Weights`.
    clip: the bound on the controller's state, infinity for none.
    s: `States`, of which the first is given.
    k: `Inner`, to be computed.
  """
  num_reads, word_size = s.words.shape[2:]
  num_words = num_reads * word_size
  inputs = np.empty((high - low, recurrent.shape[0]), projected.dtype)
  raw = np.empty((high - low, bias.size), projected.dtype)
  for b in range(low, high):
    for j in range(s.usage.shape[2]):
      k.norms[0, b, j] = _norm(s.memory[0, b, j], bias.dtype.type(_EPSILON))
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
      _access(t, b, s, k)


@jit.jit
def reverse(
  low,
  high,
  recurrent,
  interface,
  clip,
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
      _access_reverse(t, b, s, k, d, d_interface[t, b])
    _add_product(d_interface[t, low:high], interface, d.hidden[low:high])
    for b in range(low, high):
      _control_reverse(
        k.gates[t, b], s.cell[t, b], clip, d.hidden[b], d.cell[b], d_gates[t, b]
      )
    d_inputs[:] = d_inputs.dtype.type(0)
    _add_product(d_gates[t, low:high], recurrent, d_inputs)
    for b in range(low, high):
      d.words[b] = d_inputs[b - low, :num_words].reshape(d.words[b].shape)
      d.hidden[b] = d_inputs[b - low, num_words:]

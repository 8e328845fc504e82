"""The loop of a DNC over time, in two ways.

  plain             one step after another in a `tf.while_loop`
  compiled          the same in chunks of steps compiled by XLA, with a
                    gradient written by hand
  compiled_chunk    one such chunk
  compiled_access   `MemoryAccess` in the forms that XLA makes fast

Before the loop:

  sparse            the product of inputs that are mostly zeros
  sparse_kernel     the same, compiled by Numba

`dnc.unroll` chooses between them.
"""

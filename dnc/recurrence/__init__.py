"""The loop of a DNC over time, in three ways.

  plain             one step after another in a `tf.while_loop`
  compiled          the same in chunks of steps compiled by XLA, with a
                    gradient written by hand
  compiled_chunk    one such chunk
  compiled_access   `MemoryAccess` as XLA makes it fast, with gradients by hand
  numba_scan        the same for training, compiled by Numba if it is installed
  numba_step        the steps of it, forward and in reverse

Before the loop:

  sparse            the product of inputs that are mostly zeros
  sparse_kernel     the same, compiled by Numba

For both:

  jit               compiles with Numba, and runs on all processor cores

`dnc.unroll` chooses between them.
"""

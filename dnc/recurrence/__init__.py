"""The loop of a DNC over time, written twice: plain, and compiled by XLA.

  plain             the steps of a DNC in a `tf.while_loop`
  compiled          the same in chunks that XLA compiles, with their gradient
  compiled_access   `MemoryAccess` in forms that XLA makes fast

`dnc.unroll` chooses between them.
"""

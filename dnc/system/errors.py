"""The exception that commands print as one line."""


class UsageError(ValueError):
  """A mistake that the user can correct.

  Its message is one line that names the flag or file, the value found, and what
  is allowed or what to do. Commands print it without a stack trace and exit
  with a non-zero status.
  """

"""The one exception that a command line turns into a single line."""


class UsageError(ValueError):
  """A mistake that the user can mend.

  The message is one line: it names the flag or file, the value found, and what
  is allowed or what to do. The commands print it without a
  stack trace and exit with a non-zero status.
  """

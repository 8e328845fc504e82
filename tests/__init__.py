"""Tests; all processes of a session share what XLA has compiled.

Compiling takes seconds, and many tests start a process of their own.
"""

import atexit
import os
import shutil
import tempfile

_FLAGS = 'TF_XLA_FLAGS'

# TensorFlow reads the flags once. Processes of the session inherit them.
if _FLAGS not in os.environ:
  _folder = tempfile.mkdtemp(prefix='dnc_test_xla_')
  atexit.register(shutil.rmtree, _folder, ignore_errors=True)
  os.environ[_FLAGS] = f'--tf_xla_persistent_cache_directory={_folder}'

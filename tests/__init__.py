"""Tests; all processes of a session compile quickly and share the result.

Compiling takes seconds, and many tests start a process of their own. What XLA
leaves out here makes long computations faster, not right.
"""

import atexit
import os
import shutil
import sys
import tempfile

_FLAGS = 'TF_XLA_FLAGS'
# With these, XLA compiles our recurrences in two thirds of the time.
QUICKLY = (
  '--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false '
  '--xla_llvm_disable_expensive_passes=true'
)

# TensorFlow reads the flags once. Processes of the session inherit them; the
# benchmarks do not have them.
if _FLAGS not in os.environ and 'pytest' in sys.modules:
  _folder = tempfile.mkdtemp(prefix='dnc_test_xla_')
  atexit.register(shutil.rmtree, _folder, ignore_errors=True)
  os.environ[_FLAGS] = f'--tf_xla_persistent_cache_directory={_folder}'
  os.environ.setdefault('XLA_FLAGS', QUICKLY)
  # Numba too, and not for those who train afterwards. Below 1 it keeps no code
  # of functions that call others.
  os.environ.setdefault('NUMBA_OPT', '1')
  os.environ.setdefault('NUMBA_CACHE_DIR', os.path.join(_folder, 'numba'))

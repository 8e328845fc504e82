"""Runs a real TensorBoard and sends it requests."""

from collections.abc import Iterator
import contextlib
import json
import re
import subprocess
import sys
import tempfile
import time
from typing import Any
import urllib.parse
import urllib.request

_TIMEOUT = 60.0


def _wait(ready, problem):
  """Waits until `ready()` is true; returns it."""
  end = time.monotonic() + _TIMEOUT
  while time.monotonic() < end:
    if result := ready():
      return result
    time.sleep(0.1)
  raise TimeoutError(problem())


@contextlib.contextmanager
def tensorboard(logdir: str, load_fast: str = 'auto') -> Iterator[str]:
  """Runs TensorBoard on a free port until the block ends.

  Args:
    logdir: the folder that it shows.
    load_fast: 'true' for its data server, 'false' for its Python loader, 'auto'
      for whichever runs here.

  Yields:
    Its address, once it answers.
  """
  with tempfile.TemporaryFile('w+') as output:
    process = subprocess.Popen(
      [
        sys.executable,
        '-m',
        'tensorboard.main',
        f'--logdir={logdir}',
        '--host=127.0.0.1',
        '--port=0',
        f'--load_fast={load_fast}',
        '--reload_interval=1',
      ],
      stdout=output,
      stderr=subprocess.STDOUT,
    )

    def printed():
      output.seek(0)
      return output.read()

    def address():
      if process.poll() is not None:
        raise RuntimeError(f'TensorBoard ended: {printed()}')
      return re.search(r'at (http://\S+)', printed())

    try:
      yield _wait(address, printed)[1]
    finally:
      process.terminate()
      process.wait()


def ask(address: str, path: str, **parameters: str) -> Any:
  """TensorBoard's answer to a request, as its pages make."""
  query = urllib.parse.urlencode(parameters)
  # Not through a proxy.
  opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
  with opener.open(f'{address}data/{path}?{query}', timeout=_TIMEOUT) as answer:
    return json.load(answer)


def wait_for_scalar(address: str, tag: str, num_runs: int = 1) -> None:
  """Waits until at least `num_runs` runs have a scalar."""

  def runs():
    tags = ask(address, 'plugin/scalars/tags')
    return len([run for run in tags.values() if tag in run]) >= num_runs

  _wait(runs, lambda: f'no {tag} in {ask(address, "plugin/scalars/tags")}')

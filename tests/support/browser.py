"""A real browser without a window, for tests.

It needs Chromium and its driver. Without them a test is skipped, or fails if
the environment variable REQUIRE_BROWSER is set. Screenshots are saved if
SCREENSHOT_DIR names a folder for them.
"""

from collections.abc import Iterator
import contextlib
import os
import shutil
import tempfile
import unittest
import warnings

from selenium import webdriver
from selenium.webdriver.chrome import service

_BROWSER = ('chromium', 'chromium-browser', 'google-chrome')


def _find_program(*names: str) -> str | None:
  return next(filter(None, map(shutil.which, names)), None)


@contextlib.contextmanager
def browser(width: int, height: int) -> Iterator[webdriver.Chrome]:
  """Runs a browser until the block ends.

  Args:
    width: width of the window in pixels.
    height: height of the window in pixels.

  Yields:
    The browser.

  Raises:
    SkipTest: if Chromium or its driver is missing.
    AssertionError: if one is missing and REQUIRE_BROWSER is set.
  """
  program, driver = _find_program(*_BROWSER), _find_program('chromedriver')
  if not (program and driver):
    missing = (
      'no test in a browser: Chromium and chromedriver must be on the PATH '
      '(Debian: apt-get install chromium chromium-driver)'
    )
    if os.environ.get('REQUIRE_BROWSER'):
      raise AssertionError(missing)
    warnings.warn(missing, stacklevel=1)  # `pytest -q` shows warnings only.
    raise unittest.SkipTest(missing)
  with tempfile.TemporaryDirectory() as profile:
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in (
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-proxy-server',
      f'--window-size={width},{height}',
      f'--user-data-dir={profile}',
    ):
      options.add_argument(argument)
    started = webdriver.Chrome(options, service.Service(driver))
    try:
      yield started
    finally:
      started.quit()


def cut_tables(started: webdriver.Chrome) -> list[str]:
  """The first lines of those tables that the page does not show whole."""
  return started.execute_script(
    'return [...document.querySelectorAll("table")].filter(x =>'
    'x.parentElement.scrollWidth > x.parentElement.clientWidth ||'
    'x.getBoundingClientRect().left < 0 ||'
    'x.getBoundingClientRect().right > document.documentElement.clientWidth'
    ').map(x => x.rows[0].innerText);'
  )


def screenshot(started: webdriver.Chrome, name: str) -> None:
  """Saves a screenshot if SCREENSHOT_DIR is set."""
  if folder := os.environ.get('SCREENSHOT_DIR'):
    started.save_screenshot(os.path.join(folder, f'{name}.png'))

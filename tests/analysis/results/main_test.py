"""Tests of `python -m analysis.results`; running_test runs scripts."""

import contextlib
import io
import os
import shutil
import tempfile

from absl.testing import absltest

from analysis.results import __main__ as results_main
from analysis.results import kinds
from analysis.results import page
from dnc.system import errors
from dnc.system import files
from tests.analysis.results import examples
from tests.support import commands

_PAGE = (
  f'before\n{page._BEGIN.format(page.FULL)}{page._END}between\n'
  f'{page._BEGIN.format(page.QUICK)}{page._END}after\n'
)


class MainTest(absltest.TestCase):
  def setUp(self):
    super().setUp()
    self.enterContext(
      contextlib.chdir(self.enterContext(tempfile.TemporaryDirectory()))
    )

  def _run(self, *flags):
    with contextlib.redirect_stdout(io.StringIO()) as output:
      commands.run(results_main, *flags)
    return output.getvalue()

  def _page(self):
    with open(page.PATH, encoding='utf-8') as file:
      return file.read()

  def test_where_all_is_there_the_tables_are_written_anew(self):
    files.write_text(page.PATH, _PAGE)
    for seed in range(2):
      examples.write_run(kinds.KINDS['model_b'], seed)
    output = self._run('--kinds=model_b,truncation_15', '--num_models=2')
    self.assertStartsWith(output, 'model_b: 2 of 2 evaluated, 2 trained here; ')
    self.assertIn('\nto run: 0 trainings, 0 evaluations\n', output)
    self.assertEndsWith(output, f'tables: {page.PATH}\n')
    text = self._page()
    self.assertIn('| 100.5 ± 6.4 |', text)
    self.assertStartsWith(text, 'before\n')
    self.assertEndsWith(text, 'after\n')
    self._run('--kinds=', '--num_models=2')
    self.assertEqual(self._page(), text)
    # The other seed is left out.
    self._run('--kinds=', '--num_models=1')
    self.assertNotIn('±', self._page().split('###')[1])

  def test_the_reports_of_the_posts_size_are_kept(self):
    files.write_text(page.PATH, _PAGE)
    kind = kinds.KINDS['full_model_b']
    examples.write_run(kind, 0)
    examples.write_run(kinds.KINDS['model_b'], 0)
    output = self._run('--kinds=full_model_b', '--num_models=1')
    self.assertIn('\nto run: 0 trainings, 0 evaluations\n', output)
    full, quick = self._page().split('between\n')
    name = kind.training(0).name()
    report = f'results/model_b/{name}/report.html'
    self.assertIn(f'[Its report]({report})', full)
    self.assertIn('\n| post | 0.1 |\n', full)
    self.assertNotIn('| post | 0.1 |', quick)
    self.assertIn('### Test 3: what lesions cost', full)
    self.assertIn("| Model A, the post's size | `--memory_size=256", full)
    folder = os.path.join('docs', 'results', 'model_b', name)
    for file in ('report.html', 'probe.json', 'metrics.jsonl', 'config.json'):
      source = os.path.join(kind.model_dir(0), file)
      if not os.path.exists(source):
        source = os.path.join(kind.model_dir(0), 'evaluation', file)
      with open(source, 'rb') as there, open(f'{folder}/{file}', 'rb') as kept:
        self.assertEqual(kept.read(), there.read())
    with open(f'{folder}/learning.svg', 'rb') as curve:
      self.assertIn(b'<svg', curve.read())
    # In a clone without the run, the page is the same.
    text = self._page()
    shutil.rmtree('runs')
    self._run('--kinds=')
    self.assertEqual(self._page(), text)

  def test_mistakes(self):
    for flag, pattern in (
      ('--kinds=model_c', '--kinds=model_c: must be some of model_b, model_a,'),
      ('--num_models=0', 'num_models=0.*positive'),
      ('--kinds=', f'{os.path.join("docs", "RESULTS.md")} cannot be read'),
    ):
      with self.assertRaisesRegex(errors.UsageError, pattern) as caught:
        self._run(flag)
      self.assertNotIn('\n', str(caught.exception))


if __name__ == '__main__':
  absltest.main()

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
from analysis.results import picture
from dnc.system import errors
from dnc.system import files
from tests.analysis.results import examples
from tests.support import commands

_PAGE = (
  f'before\n{page._BEGIN.format(page.FULL)}{page._END.format(page.FULL)}'
  f'between\n{page._BEGIN.format(page.QUICK)}{page._END.format(page.QUICK)}'
  'after\n'
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
    for seed in range(2):
      examples.write_run(kind, seed)
    examples.write_run(kinds.KINDS['model_b'], 0)
    output = self._run('--kinds=full_model_b', '--num_models=2')
    self.assertIn('\nto run: 0 trainings, 0 evaluations\n', output)
    full, quick = self._page().split('between\n')
    self.assertIn("\n### Model B, the post's size, seed 0\n", full)
    links = [
      os.path.join('results', 'model_b', kind.training(seed).name())
      for seed in range(2)
    ]
    self.assertIn(f'[report]({links[0]}/report.html)', full)
    self.assertIn(f'[learning curve]({links[0]}/learning.svg)', full)
    self.assertIn('\n| post | 0.1 |\n', full)
    self.assertNotIn('| post | 0.1 |', quick)
    self.assertIn('### Test 3: what lesions cost', full)
    self.assertIn("| Model A, the post's size | `--memory_size=256", full)
    for seed, link in enumerate(links):
      kept = os.path.join('docs', link)
      here = kind.model_dir(seed)
      evaluation = os.path.join(here, 'evaluation')
      self.assertContainsSubset(
        [
          'report.html',
          'probe.json',
          'mutual_information.json',
          'lesion.json',
          'intervention.json',
          'prediction.json',
          'metrics.jsonl',
          'config.json',
          'learning.svg',
        ],
        os.listdir(kept),
      )
      for file in os.listdir(kept):
        source = os.path.join(evaluation, file)
        if not os.path.exists(source):
          source = os.path.join(here, file)
        if os.path.exists(source):
          with open(source, 'rb') as there, open(f'{kept}/{file}', 'rb') as own:
            self.assertEqual(own.read(), there.read())
      with open(f'{kept}/learning.svg', 'rb') as curve:
        self.assertIn(b'<svg', curve.read())
    # In a clone without the run, the page is the same.
    text = self._page()
    shutil.rmtree('runs')
    self._run('--kinds=')
    self.assertEqual(self._page(), text)
    # Without the first seed, the page has the second, and its table.
    os.remove(f'docs/{links[0]}.json')
    shutil.rmtree(f'docs/{links[0]}')
    self._run('--kinds=')
    self.assertIn("\n### Model B, the post's size, seed 1\n", self._page())
    self.assertIn(f'({links[1]}/report.html)', self._page())
    self.assertNotIn(links[0], self._page())
    self.assertIn('\n| post | 0.1 |\n', self._page())

  def test_the_posts_size_is_run_only_if_asked_for(self):
    flag_values = commands.parsed(results_main)
    self.assertContainsSubset(['model_b', 'recall_lstm'], flag_values.kinds)
    self.assertNoCommonElements(
      ['full_model_b', 'full_model_a'], flag_values.kinds
    )

  def test_the_picture_is_that_of_model_b(self):
    files.write_text(page.PATH, _PAGE)
    examples.write_run(kinds.KINDS['lstm'], 0)
    self._run('--kinds=')
    self.assertFalse(os.path.exists(picture.PATH))
    examples.write_run(kinds.KINDS['model_b'], 0)
    self._run('--kinds=')
    with open(picture.PATH, 'rb') as file:
      self.assertIn(b'<svg', file.read())

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

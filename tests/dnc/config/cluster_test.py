"""Tests of `cluster.py`."""

import json
import os
import re
from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized

from dnc.config import cluster
from dnc.system import errors


def _tf_config(addresses, index):
  return json.dumps(
    dict(cluster=dict(worker=addresses), task=dict(type='worker', index=index))
  )


def _check(text):
  with mock.patch.dict(os.environ, TF_CONFIG=text):
    return cluster.check()


class ClusterTest(parameterized.TestCase):
  @parameterized.parameters(
    ('', ''),
    ('{', ''),
    ('[]', ''),
    ('{"cluster": {"worker": ["a:1", "b:1"]}}', ''),
    (_tf_config(['a:1', 'b:1'], 2), 'index 2 must be a number from 0 to 1; '),
    (_tf_config(['a:1', 'b:1'], -1), 'index -1 must be a number from 0 to 1; '),
    (_tf_config(['a:1', 'b:1'], '0'), "index '0' must be .*; "),
    (_tf_config(['a:1', 'b:1'], 0.0), 'index 0.0 must be .*; '),
    (_tf_config(['a:1', 'b:1'], True), 'index True must be .*; '),
    (_tf_config(['a:1', 'a:1'], 0), 'an address occurs twice; '),
    (_tf_config(['a:1', 'b'], 0), "'b' must be host:port, .*; "),
    (_tf_config(['a:1', 'b:0'], 0), "'b:0' must .* port from 1 to 65535; "),
    (_tf_config(['a:65536'], 0), "'a:65536' must be .*; "),
    (_tf_config(['a:1', 7], 0), '7 must be host:port, .*; '),
    (_tf_config([], 0), 'there is no worker; '),
    (_tf_config('a:1', 0), "'worker' must have a list of addresses; "),
    (_tf_config({'0': 'a:1'}, 0), "'worker' must have a list of .*; "),
    (_tf_config(None, 0), "'worker' must have a list of addresses; "),
    (
      '{"cluster": {"worker": ["a:1"]}, "task": {"type": "chief"}}',
      'there is no chief; ',
    ),
    (
      '{"cluster": {"chief": ["a:1"]}, "task": {"type": "chief"}}',
      'there is no worker; ',
    ),
    (
      '{"cluster": {"worker": ["a:1"]}, "task": {"type": "ps"}}',
      "type 'ps' must be 'chief' or 'worker'; ",
    ),
  )
  def test_wrong(self, text, reason):
    with self.assertRaisesRegex(
      errors.UsageError,
      f'TF_CONFIG is {re.escape(repr(text))}: {reason}it must name the workers',
    ):
      _check(text)

  @parameterized.parameters(
    _tf_config(['a:1', 'b:65535'], 1),
    _tf_config(['[::1]:12345'], 0),
    '{"cluster": {"worker": ["a:1"]}, '
    '"task": {"type": "worker", "index": 0, "trial": "7"}}',
    '{"cluster": {"chief": ["a:1"], "worker": ["b:1"]}, '
    '"task": {"type": "chief", "index": 0}}',
  )
  def test_right(self, text):
    self.assertEqual(_check(text), json.loads(text))


if __name__ == '__main__':
  absltest.main()

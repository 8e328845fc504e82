"""Packaging: `pip install -e .`, or `pip install -e .[test]` for the tests."""

import pathlib

import setuptools

_BEAM = ['apache-beam>=2.77,<3']
_FAST = ['numba>=0.63,<1']
_README = pathlib.Path(__file__).parent / 'README.md'

setuptools.setup(
  name='dnc-memory-probe',
  version='0.1.0',
  description=(
    'A Differentiable Neural Computer in TensorFlow 2 and Sonnet 2, trained on '
    'dSprites rollouts, and tests of what its memory keeps'
  ),
  long_description=_README.read_text(encoding='utf-8'),
  long_description_content_type='text/markdown',
  license='Apache-2.0',
  packages=setuptools.find_packages(include=['dnc*', 'analysis*']),
  python_requires='>=3.11,<3.14',
  install_requires=[
    'absl-py>=2.1',
    'dm-sonnet>=2.0.2,<3',
    # TFDS imports it to prepare a dataset, but does not declare it.
    'importlib_resources',
    # TensorBoard requires it, too.
    'markdown>=3.5,<4',
    'matplotlib>=3.9,<4',
    'numpy>=2.0,<3',
    'scikit-learn>=1.5,<2',
    # scikit-learn requires it, too.
    'scipy>=1.11,<2',
    # TensorFlow no longer requires it.
    'tensorboard>=2.20',
    'tensorflow>=2.21,<2.22',
    'tensorflow-datasets>=4.9.10,<5',
    'wrapt',
  ],
  extras_require={
    # Evaluates on several processes or machines.
    'beam': _BEAM,
    # Trains faster on a CPU.
    'fast': _FAST,
    # tfds.testing imports dill.
    'test': [
      *_BEAM,
      *_FAST,
      'dill',
      'h5py',
      'pytest>=8',
      'pytest-xdist>=3.8',
      'ruff>=0.17,<0.18',
      'selenium>=4.20,<5',
    ],
  },
)

"""Tests of the DNC as a Keras layer: Keras trains, counts and saves it."""

import json
import os
from unittest import mock

import keras
import numpy as np
import sonnet as snt
import tensorflow as tf

from dnc import keras_layer
from dnc import unroll


def _layer(**kwargs):
  return keras_layer.DNCLayer(
    dict(memory_size=4, word_size=3, num_reads=2),
    dict(hidden_size=6),
    5,
    **kwargs,
  )


def _model():
  return keras.Sequential([_layer(), keras.layers.Dense(1)])


def _data(num_sequences=12):
  rng = np.random.default_rng(0)
  inputs = rng.standard_normal((num_sequences, 4, 7)).astype(np.float32)
  return inputs, inputs.sum(axis=2, keepdims=True)


class DNCLayerTest(tf.test.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    # Compiling takes most of the time; compiled_test checks it.
    cls.enterClassContext(
      mock.patch.object(unroll, 'can_compile', return_value=False)
    )

  def test_computes_what_the_core_does(self):
    inputs, _ = _data(3)
    layer = _layer()
    outputs = layer(inputs.reshape([3, 4, 7, 1]))
    sequence = inputs.swapaxes(0, 1)
    expected, _ = snt.dynamic_unroll(
      layer.core, sequence, layer.core.initial_state(3)
    )
    self.assertAllClose(outputs, tf.transpose(expected, [1, 0, 2]))
    self.assertEqual(layer.compute_output_shape((None, 4, 7)), (None, 4, 5))

  def test_keras_trains_counts_and_saves_the_weights_of_the_core(self):
    inputs, targets = _data()
    model = _model()
    # readme_test trains in a graph.
    model.compile(keras.optimizers.Adam(0.01), 'mse', run_eagerly=True)
    # Keras builds the model here.
    model.train_on_batch(inputs, targets)
    layer = model.layers[0]
    weights = layer.core.trainable_variables
    self.assertLen(layer.trainable_weights, len(weights))
    for own, of_core in zip(layer.trainable_weights, weights):
      self.assertIs(own.value, of_core)
    self.assertEqual(
      layer.count_params(), sum(v.shape.num_elements() for v in weights)
    )
    before = [v.numpy() for v in weights]
    history = model.fit(inputs, targets, batch_size=5, epochs=3, verbose=0)
    losses = history.history['loss']
    self.assertLess(losses[-1], 0.95 * losses[0])
    for old, variable in zip(before, weights):
      self.assertNotAllEqual(old, variable)

    expected = model(inputs)
    folder = self.get_temp_dir()
    path = os.path.join(folder, 'model.weights.h5')
    model.save_weights(path)
    again = _model()
    again.build([None, 4, 7])
    again.load_weights(path)
    self.assertAllEqual(
      again.layers[0].core.controller.b, layer.core.controller.b
    )
    path = os.path.join(folder, 'model.keras')
    model.save(path)
    loaded = keras.models.load_model(path)
    for other in (again, loaded):
      self.assertAllClose(other(inputs), expected, atol=1e-6)

  def test_the_numbers_of_a_sweep_are_saved_as_json(self):
    layer = keras_layer.DNCLayer(
      dict(memory_size=np.int64(4), word_size=3.0),
      dict(hidden_size=np.int32(5)),
      np.int64(2),
      clip_value=np.float32(20),
      name='sweep',
    )
    config = json.loads(json.dumps(layer.get_config()))
    again = keras_layer.DNCLayer.from_config(config)
    self.assertEqual(again.core.state_size, layer.core.state_size)
    self.assertEqual(again.core.clip_value, 20)
    self.assertEqual(again.get_config(), layer.get_config())

  def test_shapes_without_time_or_size_are_refused(self):
    for shape in ([7], [None, None]):
      with self.assertRaisesRegex(ValueError, r'must be \[batch, time, ...\]'):
        _layer()(keras.Input(shape))

  def test_mixed_precision_computes_in_the_dtype_of_the_weights(self):
    inputs, _ = _data(2)
    layer, mixed = _layer(), _layer(dtype='mixed_float16')
    outputs = mixed(inputs)
    self.assertEqual(outputs.dtype, tf.float16)
    self.assertEqual(mixed.core.dtype, tf.float32)
    layer(inputs)
    layer.set_weights(mixed.get_weights())
    self.assertAllClose(layer(inputs), outputs, atol=1e-2)


if __name__ == '__main__':
  tf.test.main()

"""Times pytorch-dnc (PyPI `dnc`) for `core_benchmark`, in its own process.

Both packages are called `dnc`, so this script takes the other one's folder and
imports nothing of ours:

  python tests/benchmarks/pytorch_dnc_worker.py <folder> <batch_size> <length> \
      <memory_size> <word_size> <num_reads> <hidden_size> <inputs> <outputs>

It prints `ready`. Then, for every line `train` or `forward` of its input, it
runs that task once and prints the seconds that it took.
"""

import sys
import time


def main() -> None:
  """Serves requests until the input ends."""
  sys.path.insert(0, sys.argv[1])
  import torch  # pylint: disable=g-import-not-at-top

  import dnc  # pylint: disable=g-import-not-at-top

  (
    batch_size,
    length,
    memory_size,
    word_size,
    num_reads,
    hidden_size,
    num_inputs,
    num_outputs,
  ) = map(int, sys.argv[2:])
  torch.manual_seed(0)
  # Its output is as large as its input: the first `num_outputs` are used.
  model = dnc.DNC(
    input_size=num_inputs,
    hidden_size=hidden_size,
    num_layers=1,
    num_hidden_layers=1,
    nr_cells=memory_size,
    cell_size=word_size,
    read_heads=num_reads,
  )
  optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
  inputs = torch.randn(batch_size, length, num_inputs)
  targets = (torch.rand(batch_size, length, num_outputs) < 0.04).float()

  def logits() -> torch.Tensor:
    outputs, _ = model(inputs, (None, None, None), reset_experience=True)
    return outputs[:, :, :num_outputs]

  def train() -> None:
    optimizer.zero_grad()
    loss = torch.nn.functional.binary_cross_entropy_with_logits(
      logits(), targets
    )
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 50.0)
    optimizer.step()

  def forward() -> None:
    with torch.no_grad():
      logits()

  print('ready', flush=True)
  functions = dict(train=train, forward=forward)
  for line in sys.stdin:
    start = time.perf_counter()
    functions[line.strip()]()
    print(time.perf_counter() - start, flush=True)


if __name__ == '__main__':
  main()

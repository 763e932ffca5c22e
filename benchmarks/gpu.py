"""Measure training on a GPU, with Keras on JAX.

    python -m benchmarks.gpu

Needs an NVIDIA GPU and `pip install "jax[cuda13]"`; it is no part of `make bench`. Takes about a minute, most of it
compiling. Prints the result and writes it to benchmarks/results/gpu.json:

- the largest difference between the likelihood of random pieces on the GPU and on the processor, in nats per note, with
  the default network;
- for three sizes of the network: milliseconds per update, notes per second, the operations of the matrix products in
  the model's definition per second, and their fraction of what a large bfloat16 product reaches on the same GPU;
- milliseconds for one LSTM of each size to read a batch and back-propagate through it, with our layer and with cuDNN,
  which computes in float32.
"""

import os
import statistics
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice

os.environ["KERAS_BACKEND"] = "jax"

import jax
import jax.numpy as jnp
import keras
import numpy as np

from benchmarks.measurement import ROOT, elapsed_seconds, round_value, summarize, write_result
from benchmarks.operations import count_operations
from benchmarks.training_batches import random_batches, random_fields
from stages.check import Params
from stages.model.likelihood import make_scorer
from stages.model.lstm import LSTM
from stages.params.train import TrainParams
from stages.train import build_network, build_training_model
from stages.training.determinism import make_reproducible
from stages.training.muon import Muon
from stages.training.updates import JaxUpdates
from stages.utils.yaml_io import read_yaml

SIZES = {
    "default": {},
    "LSTM width 768": {"lstm_units": 768, "trunk_units": 384, "head_units": 256, "batch_size": 256},
    "LSTM width 1024": {"lstm_units": 1024, "trunk_units": 512, "head_units": 320, "batch_size": 256},
}
DEFAULTS_IN_RESULT = ("batch_size", "seq_len", "lstm_units", "trunk_units", "head_units", "infill_fraction")
FUSED_UPDATES, REPEATS = 10, 5
LEARNING_RATE = 1e-4
MATRIX_SIZE = 8192
SCORED_PIECES, SCORED_NOTES = 8, 512


def main() -> None:
    """Take all measurements and write the result."""
    make_reproducible(1)
    params = read_yaml(ROOT / "params.yaml", Params).train.model_copy(
        update={"backend": "jax", "precision": "bfloat16"}
    )
    peak = _measure_peak_tflops()
    cases = {name: params.model_copy(update=changes) for name, changes in SIZES.items()}
    # Compiling takes most of the time, and a GPU machine has many cores.
    with ThreadPoolExecutor() as pool:
        difference = pool.submit(_likelihood_difference, params.model_copy(update={"precision": "float32"}))
        timers = dict(zip(cases, pool.map(_prepare_updates, cases.values()), strict=True))
        recurrences = dict(zip(cases, pool.map(_prepare_recurrences, cases.values()), strict=True))
    result = {
        "gpu": jax.devices()[0].device_kind,
        "default": {name: getattr(params, name) for name in DEFAULTS_IN_RESULT},
        "bfloat16_peak_tflops": round_value(peak),
        "likelihood_difference": float(f"{difference.result():.1e}"),
        "cases": {name: _describe_case(cases[name], *timers[name], recurrences[name], peak) for name in cases},
    }
    write_result("gpu", result, "jax")


def _describe_case(
    case: TrainParams,
    update_seconds: Callable[[], float],
    operations: float,
    recurrences: dict[str, Callable[[], float]],
    peak: float,
) -> dict:
    seconds = [update_seconds() for _ in range(REPEATS)]
    median = statistics.median(seconds)
    tflops = operations / median / 1e12
    return {
        "ms_per_update": summarize([1000 * value for value in seconds]),
        "notes_per_second": round_value(case.batch_size * case.seq_len / median),
        "tflops": round_value(tflops),
        "fraction_of_bfloat16_peak": round(tflops / peak, 3),
        "lstm_ms": {
            name: summarize([1000 * measure() for _ in range(REPEATS)]) for name, measure in recurrences.items()
        },
    }


def _measure_peak_tflops() -> float:
    matrix = jax.random.normal(jax.random.key(1), (MATRIX_SIZE, MATRIX_SIZE), jnp.bfloat16)
    multiply = jax.jit(lambda a: a @ a)
    multiply(matrix).block_until_ready()
    seconds = [elapsed_seconds(lambda: multiply(matrix).block_until_ready()) for _ in range(10)]
    return 2 * MATRIX_SIZE**3 / min(seconds) / 1e12


def _likelihood_difference(train: TrainParams) -> float:
    network = build_network(train)
    pieces = [random_fields(seed, SCORED_NOTES) for seed in range(SCORED_PIECES)]
    on_gpu = make_scorer(network, gaps=[4])(pieces)
    with jax.default_device(jax.devices("cpu")[0]):
        on_processor = make_scorer(_copy(network), gaps=[4])(pieces)
    return (
        max(
            np.abs(on_gpu.continuation - on_processor.continuation).max(),
            np.abs(on_gpu.infill[4] - on_processor.infill[4]).max(),
        )
        / SCORED_NOTES
    )


def _copy(network):
    copy = type(network)(**network.get_config(), dtype=network.dtype_policy)
    copy.set_weights(network.get_weights())
    return copy


def _prepare_updates(train: TrainParams) -> tuple[Callable[[], float], float]:
    # A function that returns the seconds of an update, and the operations of one.
    model = build_training_model(build_network(train), train)
    optimizer = Muon(
        LEARNING_RATE,
        train.weight_decay,
        compute_dtype=model.network.compute_dtype,
        global_clipnorm=train.clip_norm,
    )
    model.compile(optimizer, jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    updates = JaxUpdates(model, FUSED_UPDATES)
    batches = list(islice(random_batches(train), FUSED_UPDATES))
    updates.run(batches)  # compiles
    seconds = lambda: elapsed_seconds(lambda: updates.run(batches)) / FUSED_UPDATES  # noqa: E731
    return seconds, count_operations(model.network, train)


def _prepare_recurrences(train: TrainParams) -> dict[str, Callable[[], float]]:
    from jax.experimental import rnn

    shape = (train.batch_size, train.seq_len, train.lstm_units)
    inputs = jax.random.normal(jax.random.key(1), shape, jnp.float32)
    state = jnp.zeros((1, train.batch_size, train.lstm_units))
    layer = LSTM(train.lstm_units, dtype=keras.DTypePolicy("mixed_bfloat16"))
    layer.build(shape)
    weights = [variable.value for variable in layer.trainable_variables]
    cudnn_weights = rnn.init_lstm_weight(jax.random.key(1), train.lstm_units, train.lstm_units, 1, False)
    lengths = jnp.full((train.batch_size,), train.seq_len, jnp.int32)

    def ours(weights):
        (outputs, _), _ = layer.stateless_call(weights, [], inputs)
        return jnp.sum(outputs.astype(jnp.float32))

    def cudnn(weights):
        outputs, _, _ = rnn.lstm(
            inputs,
            state,
            state,
            weights,
            lengths,
            input_size=train.lstm_units,
            hidden_size=train.lstm_units,
            num_layers=1,
            dropout=0.0,
            bidirectional=False,
        )
        return jnp.sum(outputs)

    timers = {"ours": _gradient_timer(ours, weights)}
    with suppress(RuntimeError):  # cuDNN is not there
        timers["cudnn"] = _gradient_timer(cudnn, cudnn_weights)
    return timers


def _gradient_timer(loss: Callable, weights) -> Callable[[], float]:
    gradient = jax.jit(jax.value_and_grad(loss))
    jax.block_until_ready(gradient(weights))
    return lambda: elapsed_seconds(lambda: jax.block_until_ready(gradient(weights)))


if __name__ == "__main__":
    main()

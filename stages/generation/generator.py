"""Sampling of many note sequences in parallel, with any number of notes: what continuations and infills share."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from keras import ops
from tqdm import tqdm

from stages.generation import drift, preferences, repetition
from stages.generation.sampler import NOTES_PER_CALL, UNIFORMS_PER_NOTE, NoteSampler
from stages.generation.sampling_config import SamplingConfig
from stages.model.bilstm import BiLSTM
from stages.model.history import note_rows, padding_rows
from stages.representation.grid_encoding import FRAME_SECONDS, NUM_KEYS, PITCH, STEP

Result = TypeVar("Result")


@dataclass(frozen=True)
class GenerationTask:
    """Notes to generate, one sequence after each past.

    Attributes:
        pasts: the notes before each sequence on the grid, int32, shape (notes, 4); may be empty.
        num_notes: notes of each sequence.
        seed: seed of the random numbers; the index of the sequence is appended.
        config: how notes are sampled.
        infill_inputs: the further inputs of `NoteSampler` for infills, arrays with a row a past; None: no infills.
        max_frames: stop once all sequences are that long, counted from the last onset of the past; None: no limit.
        progress: label of a progress bar, None: no bar.
    """

    pasts: Sequence[np.ndarray]
    num_notes: int
    seed: tuple[int, ...]
    config: SamplingConfig
    infill_inputs: dict[str, np.ndarray] | None = None
    max_frames: int | None = None
    progress: str | None = None


def generate(network: BiLSTM, task: GenerationTask) -> list[np.ndarray]:
    """Generate the notes of a task.

    Returns:
        The notes after each past on the grid, int32, shape (num_notes, 4), fewer where `max_frames` ended it.
    """
    if not task.pasts:
        return []
    sampler = NoteSampler(network, infill=task.infill_inputs is not None)
    # A random generator each, so that the random numbers of a sequence do not depend on how many there are.
    rngs = [np.random.default_rng((*task.seed, index)) for index in range(len(task.pasts))]
    constants = _config_inputs(task.config) | (task.infill_inputs or {})
    state = _initial_state(network, task.pasts)
    chunks = []
    with _progress_bar(task) as bar:
        for first in range(0, task.num_notes, NOTES_PER_CALL):
            draws = [rng.random((NOTES_PER_CALL, UNIFORMS_PER_NOTE), np.float32) for rng in rngs]
            # Notes beyond the last are sampled too, and dropped below.
            left = np.maximum(np.arange(task.num_notes - first, task.num_notes - first - NOTES_PER_CALL, -1), 1)
            note_inputs = {"uniforms": np.stack(draws, axis=1), "notes_left": left.astype(np.int32)}
            fields, state = sampler.predict_on_batch(constants | state | note_inputs)
            chunks.append(fields)
            shortest = int(state["position"].min())
            done = first + NOTES_PER_CALL if task.max_frames is None else int(shortest * FRAME_SECONDS)
            bar.update(min(done, int(bar.total)) - bar.n)
            if task.max_frames is not None and shortest >= task.max_frames:
                break
    return list(np.concatenate(chunks)[: task.num_notes].transpose(1, 0, 2))


def notes_before(fields: np.ndarray, frame: int) -> np.ndarray:
    """Return the notes whose onset is before a frame, counted from the same onset as the first step."""
    return fields[np.cumsum(fields[:, STEP]) < frame]


def map_by_length(
    pieces: Sequence[np.ndarray], function: Callable[[list[np.ndarray]], Iterable[Result]]
) -> list[Result]:
    """Apply a function of a batch to pieces, those of one length as one batch.

    Args:
        pieces: notes on the grid, int32, shape (notes, 4).
        function: takes pieces of one length, returns a result for each.

    Returns:
        The result for each piece.
    """
    results: list[Any] = [None] * len(pieces)
    for length in {len(fields) for fields in pieces}:
        indices = [index for index, fields in enumerate(pieces) if len(fields) == length]
        for index, result in zip(indices, function([pieces[index] for index in indices]), strict=True):
            results[index] = result
    return results


def _config_inputs(config: SamplingConfig) -> dict[str, np.ndarray]:
    per_field = {name: getattr(config, name) for name in ("temperature", "top_p", "min_p", "drift_bias")}
    inputs = {name: np.broadcast_to(np.array(value, np.float32), 4) for name, value in per_field.items()}
    biases = {"repeat_bias": [config.repeat_bias], "preference_bias": config.preference_bias}
    return inputs | {name: np.array(value, np.float32) for name, value in biases.items()}


def _initial_state(network: BiLSTM, pasts: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    # The inputs of NoteSampler that change from call to call.
    def read(batch: list[np.ndarray]) -> Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        rows = np.stack([np.concatenate([padding_rows((1,)), note_rows(fields)]) for fields in batch])
        state = np.zeros((2, len(batch), network.lstm_units), np.float32)
        pitch_log_probs = np.zeros((len(batch), 0, NUM_KEYS), np.float32)
        if rows.shape[1] > 1:
            past, notes = rows[:, :-1], rows[:, 1:]
            outputs, state = network.read_past(past, [state[0], state[1]])
            state = np.stack([ops.convert_to_numpy(part) for part in state])
            head_inputs = network.head_inputs(outputs, past)
            pitch_log_probs = ops.convert_to_numpy(network.pitch_log_probs(head_inputs, notes, past[..., PITCH]))
        preference_states = map(preferences.preference_state, batch, pitch_log_probs)
        return zip(rows[:, -1], state.transpose(1, 0, 2), preference_states, strict=True)

    last_rows, lstm_states, preference_states = zip(*map_by_length(pasts, read), strict=True)
    return {
        "row": np.stack(last_rows).astype(np.int32),
        "position": np.zeros(len(pasts), np.int32),
        "drift_state": np.stack([drift.drift_state(past) for past in pasts]),
        "repetition_state": np.stack([repetition.repetition_state(past) for past in pasts]),
        "preference_state": np.stack(preference_states),
        "lstm_state": np.stack(lstm_states, axis=1),
    }


def _progress_bar(task: GenerationTask) -> Any:
    if task.max_frames is None:
        total, unit = task.num_notes, " notes"
    else:
        total, unit = round(task.max_frames * FRAME_SECONDS), " s of music"
    return tqdm(total=total, desc=task.progress, unit=unit, disable=task.progress is None)

"""The compiled loop that samples notes one after the other, for the rows of a batch in parallel."""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from stages.generation import drift, preferences, repetition
from stages.model import features
from stages.model.bilstm import BiLSTM, FutureContext, pointed_durations
from stages.model.history import ELAPSED
from stages.representation import grid_encoding
from stages.representation.grid_encoding import DURATION, DURATION_BINS, NUM_KEYS, PITCH, STEP, VELOCITY

NOTES_PER_CALL = 50
"""Notes sampled by one call of the compiled loop."""

UNIFORMS_PER_NOTE = 6
"""Random numbers that a note takes, in this order: step bin, frame in the bin, pitch, duration choice, frame in the
bin, velocity."""

CHORD_NOTES, CHORD_FRAMES = 10, 5
"""At most so many notes begin within so many frames, as many as there are fingers. Of MAESTRO's 5.7 million notes for
training 102 are one more than that. Without the limit a chord of ten notes, which the network hardly knows, now and
then goes on through all keys."""

_SMALLEST = 1e-30  # keeps divisors and arguments of logarithms above zero


class NoteSampler(keras.Model):
    """Samples `NOTES_PER_CALL` notes for each row of a batch.

    It is a `keras.Model` only so that Keras compiles the loop, whatever the backend. Its input is a dict of arrays:

        row: int32, shape (batch, ROW_SIZE): the last note so far.
        position: int32, shape (batch,): frames from the last onset of the past to the onset of that note.
        drift_state: float32, shape (batch, 9), after that note, see `drift.drift_state`.
        repetition_state: int32, shape (batch, HISTORY_NOTES, 3), after it, see `repetition.repetition_state`.
        preference_state: float32, shape (batch, ...), after it, see `preferences.preference_state`.
        lstm_state: float32, shape (2, batch, units): the state of the forward LSTM before that note.
        uniforms: float32 in [0, 1), shape (NOTES_PER_CALL, batch, UNIFORMS_PER_NOTE).
        notes_left: int32, shape (NOTES_PER_CALL,): notes from each one to the end, itself included, at least 1.
        temperature, top_p, min_p, drift_bias: float32, shape (4,), a value for each field.
        repeat_bias: float32, shape (1,).
        preference_bias: float32, shape (2,), for intervals and for pitch classes.

    and for infills also

        future_outputs, next_note: float32, shape (batch, ...), see `FutureContext`.
        frames_to_future: int32, shape (batch,): from the last onset of the past to the first onset of the future.
        first_frame, last_frame: int32, shape (batch,): the first and the last frame in which a new onset may be,
            counted from the last onset of the past.
    """

    def __init__(self, network: BiLSTM, infill: bool) -> None:
        """Make a sampler.

        Args:
            network: the trained network.
            infill: whether the notes lead to a known future; otherwise they continue the past freely.
        """
        super().__init__(dtype=network.dtype_policy, name="note_sampler")
        self.network, self.infill = network, infill

    def call(self, inputs):
        """Sample the next notes.

        Returns:
            The fields of the notes, int32, shape (NOTES_PER_CALL, batch, 4), and the new `row`, `position` and states
            as a dict.
        """

        def sample_next(carry, note_inputs):
            last_row, position, drift_state, repetition_state, preference_state, *lstm_state = carry
            past_outputs, lstm_state = self.network.read_past_note(last_row, lstm_state)
            future, biases = None, NO_BIASES
            if self.infill:
                future = self._future_context(inputs, position, note_inputs["notes_left"])
            else:
                biases = _biases(inputs, last_row, drift_state, repetition_state, preference_state)
            head_inputs = self.network.head_inputs(past_outputs, last_row, future)
            uniforms = ops.moveaxis(note_inputs["uniforms"], -1, 0)
            probabilities = _unnormalized(self.network.step_log_probs(head_inputs) + biases.step)
            step_range = self._step_range(inputs, last_row, position)
            step = _sample_step(probabilities, uniforms[:2], _filters(inputs, STEP), step_range)
            row, pitch_log_probs = self._sample_other_fields(head_inputs, last_row, step, uniforms[2:], inputs, biases)
            drift_state = drift.update_drift_state(drift_state, row[:, :4])
            repetition_state = repetition.update_repetition_state(repetition_state, row[:, :4])
            preference_state = preferences.update_preference_state(
                preference_state, last_row[:, PITCH], row[:, PITCH], pitch_log_probs
            )
            carry = [row, position + step, drift_state, repetition_state, preference_state, *lstm_state]
            return carry, carry  # Keras' scan on TensorFlow collects exactly the arrays that it carries

        before = [inputs[name] for name in ("row", "position", "drift_state", "repetition_state", "preference_state")]
        carry = [*before, *ops.unstack(inputs["lstm_state"], 2)]
        note_inputs = {name: inputs[name] for name in ("uniforms", "notes_left")}
        (row, position, drift_state, repetition_state, preference_state, *lstm_state), (rows, *_) = ops.scan(
            sample_next, carry, note_inputs
        )
        state = {
            "row": row,
            "position": position,
            "drift_state": drift_state,
            "repetition_state": repetition_state,
            "preference_state": preference_state,
            "lstm_state": ops.stack(lstm_state),
        }
        return rows[..., :4], state

    def _step_range(self, inputs, last_row, position):
        # The lowest and the highest step of the next note.
        longest = grid_encoding.STEP_FRAMES - 1
        if self.infill:
            min_step, max_step = (
                ops.clip(inputs[frame] - position, 0, longest) for frame in ("first_frame", "last_frame")
            )
        else:
            min_step, max_step = ops.zeros_like(position), ops.full_like(position, longest)
        # The pitch rises within a frame, so after the highest key the next onset is later.
        min_step = ops.maximum(min_step, ops.cast(last_row[:, PITCH] == NUM_KEYS - 1, "int32"))
        # Of CHORD_NOTES + 1 notes in a row the first one began so many frames before the last note.
        elapsed = last_row[:, ELAPSED][:, CHORD_NOTES - 2]
        after_chord = ops.where(elapsed >= 0, CHORD_FRAMES - elapsed, 0)
        min_step = ops.maximum(min_step, ops.minimum(after_chord, max_step))
        return min_step, ops.maximum(min_step, max_step)

    def _future_context(self, inputs, position, notes_left):
        # A future farther away than the longest gap is presented at that gap, at the same mean step.
        gap = ops.full_like(position, ops.minimum(notes_left, self.network.max_gap_notes))
        time_to_future = ops.maximum(inputs["frames_to_future"] - position, 0) * gap // notes_left
        return FutureContext(inputs["future_outputs"], inputs["next_note"], gap, time_to_future)

    def _sample_other_fields(self, head_inputs, last_row, step, uniforms, inputs, biases):
        # The row of the note `step` frames after `last_row`, and the network's log-probabilities of its pitch.
        row = features.next_row(last_row, step)
        pitch_log_probs = self.network.pitch_log_probs(head_inputs, row, last_row[:, PITCH])
        probabilities = _unnormalized(pitch_log_probs + biases.pitch)
        repeated = (step == 0)[:, None] & (ops.arange(NUM_KEYS) == last_row[:, PITCH, None])
        probabilities = ops.where(repeated, 0.0, probabilities)
        row = _set_field(row, PITCH, _sample(probabilities, uniforms[0], *_filters(inputs, PITCH)))

        measure = _duration_measure(row)
        probabilities = _unnormalized(
            self.network.duration_log_probs(head_inputs, row) + biases.duration_tilt * measure
        )
        choice = _sample(probabilities, uniforms[1], *_filters(inputs, DURATION))
        row = _set_field(row, DURATION, _chosen_duration(row, choice, uniforms[2]))

        probabilities = _unnormalized(self.network.velocity_log_probs(head_inputs, row) + biases.velocity)
        row = _set_field(row, VELOCITY, _sample(probabilities, uniforms[3], *_filters(inputs, VELOCITY)))
        return row, pitch_log_probs


class Biases(NamedTuple):
    """What is added to the log-probabilities of a note's fields.

    Attributes:
        step, pitch, velocity: shape (batch, choices).
        duration_tilt: by what the measure of a duration (`drift.measures`) is multiplied, shape (batch, 1).
    """

    step: Any
    pitch: Any
    duration_tilt: Any
    velocity: Any


NO_BIASES = Biases(0.0, 0.0, 0.0, 0.0)


def _biases(inputs, last_row, drift_state, repetition_state, preference_state) -> Biases:
    step_tilt, pitch_tilt, duration_tilt, velocity_tilt = ops.split(
        drift.tilts(drift_state, inputs["drift_bias"]), 4, axis=-1
    )
    step_bias, pitch_bias = repetition.repetition_bias(repetition_state, inputs["repeat_bias"])
    pitch_bias = pitch_bias + preferences.pitch_bias(preference_state, last_row, inputs["preference_bias"])
    return Biases(
        step_tilt * drift.STEP_MEASURE + step_bias,
        pitch_tilt * drift.PITCH_MEASURE + pitch_bias,
        duration_tilt,
        velocity_tilt * drift.VELOCITY_MEASURE,
    )


def _duration_measure(row):
    # drift's measure of each choice of the duration head: bins, then pointers.
    pointed = ops.log(ops.cast(ops.maximum(pointed_durations(row), 1), "float32"))
    bins = ops.broadcast_to(ops.convert_to_tensor(drift.DURATION_MEASURE), (row.shape[0], DURATION_BINS))
    return ops.concatenate([bins, pointed], axis=-1)


def _filters(inputs, field):
    # The last arguments of `_sample`.
    return inputs["temperature"][field], inputs["top_p"][field], inputs["min_p"][field]


def _unnormalized(log_probabilities):
    # Probabilities up to a factor, the highest of them 1. Biases may be so large that their exponentials overflow.
    return ops.exp(log_probabilities - ops.max(log_probabilities, axis=-1, keepdims=True))


def _sample_step(probabilities, uniforms, filters, step_range):
    # A bin, its probability reduced to its allowed frames, then one of these.
    min_step, max_step = step_range
    first = ops.maximum(grid_encoding.STEP_EDGES[:-1], min_step[:, None])
    end = ops.minimum(grid_encoding.STEP_EDGES[1:], max_step[:, None] + 1)
    allowed = ops.cast(ops.maximum(end - first, 0), "float32") / grid_encoding.STEP_WIDTHS.astype(np.float32)
    choice = _sample(probabilities * allowed, uniforms[0], *filters)
    return ops.clip(_sample_frame(_gather(first, choice), _gather(end, choice), uniforms[1]), min_step, max_step)


def _chosen_duration(row, choice, uniform):
    # The duration in frames for a choice of the duration head: a bin, or a pointer to the end of an earlier note.
    bin_index = ops.minimum(choice, DURATION_BINS - 1)
    edges = ops.take(grid_encoding.DURATION_EDGES, bin_index[:, None] + np.arange(2))
    binned = _sample_frame(edges[:, 0], edges[:, 1], uniform)
    pointed = _gather(pointed_durations(row), ops.maximum(choice - DURATION_BINS, 0))
    return ops.clip(ops.where(choice < DURATION_BINS, binned, pointed), 1, grid_encoding.DURATION_FRAMES)


def _sample(probabilities, uniform, temperature, top_p, min_p):
    """Sample one choice a row: apply the temperature, filter by top-p and min-p, invert the cumulative distribution.

    Args:
        probabilities: shape (batch, choices), at least 0; their sum need not be 1.
        uniform: random numbers in [0, 1), shape (batch,).
        temperature, top_p, min_p: see `SamplingConfig`, shape ().

    Returns:
        int32, shape (batch,).
    """
    # Relative to the highest possible one, or at low temperatures all might underflow to zero.
    relative = probabilities / ops.maximum(ops.max(probabilities, axis=-1, keepdims=True), _SMALLEST)
    weights = ops.where(relative > 0, ops.exp(ops.log(ops.maximum(relative, _SMALLEST)) / temperature), 0.0)
    weights = weights / ops.maximum(ops.sum(weights, axis=-1, keepdims=True), _SMALLEST)
    descending = ops.flip(ops.sort(weights, axis=-1), axis=-1)
    mass_before = ops.cumsum(descending, axis=-1) - descending
    threshold = ops.min(ops.where(mass_before < top_p, descending, 1.0), axis=-1, keepdims=True)
    # Of a choice that is nearly certain, such as the next note of a trill, the rest is what can end it.
    highest = descending[:, :1]
    threshold = ops.maximum(threshold, min_p * ops.minimum(highest, 1 - highest))
    kept = ops.where(weights >= ops.maximum(threshold, _SMALLEST), weights, 0.0)
    cumulative = ops.cumsum(kept, axis=-1)
    total = cumulative[:, -1:]
    # The last choice of nonzero weight, should rounding put the random number beyond the total.
    last = ops.sum(ops.cast(cumulative < total, "int32"), axis=-1)
    choice = ops.sum(ops.cast(cumulative <= uniform[:, None] * total, "int32"), axis=-1)
    return ops.minimum(choice, last)


def _sample_frame(first, end, uniform):
    # A frame of first <= frame < end, each with the same probability.
    width = ops.cast(end - first, "float32")
    return ops.minimum(first + ops.cast(ops.floor(uniform * width), "int32"), end - 1)


def _gather(values, index):
    # values[i, index[i]] for each row i.
    return ops.squeeze(ops.take_along_axis(values, index[:, None], axis=-1), axis=-1)


def _set_field(row, field, value):
    return ops.concatenate([row[:, :field], value[:, None], row[:, field + 1 :]], axis=-1)

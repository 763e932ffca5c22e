"""The network: a forward LSTM over past notes, a backward LSTM over future notes, and four chained heads.

    p(note t | past, future) = p(step) p(pitch | step) p(duration | step, pitch) p(velocity | step, pitch, duration)

The past are the notes before t. The future are the notes from t + k on, where k is the gap; gap 0 means that no future
is known. The network is also conditioned on the gap and on the time to the future, which is the time from note t - 1 to
note t + k. Each head sees the input features that bear on its field (stages.model.features).

The distribution of durations is a mixture of bins of frames (representation.grid_encoding) and of pointers: "ends
together with one of the NUM_RECENT notes before, give or take a frame". It is evaluated exactly and sums to one over
frames.

Only keras.ops is used, so the network runs on any Keras backend. `rows` are note rows (stages.model.history), integers
of shape (batch, notes, ROW_SIZE).
"""

import math
from functools import reduce
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers, ops

from stages.model import features
from stages.model.history import NUM_RECENT, PAD_PITCH, REMAINING
from stages.model.lstm import LSTM
from stages.representation.grid_encoding import (
    DURATION_BINS,
    DURATION_FRAMES,
    DURATION_WIDTHS,
    NUM_KEYS,
    PITCH,
    STEP,
    STEP_BINS,
    STEP_WIDTHS,
    VELOCITY_BINS,
)

POINTER_OFFSETS = (-1, 0, 1)  # frames between the ends of two notes that count as ending together
NUM_POINTERS = NUM_RECENT * len(POINTER_OFFSETS)
POINTER_UNITS = 32  # size of the layer that scores pointers
MASKED_LOGIT = -1e9  # the softmax probability of this logit is exactly zero

_STEP_LOG_WIDTHS = np.log(STEP_WIDTHS).astype(np.float32)
_DURATION_LOG_WIDTHS = np.log(DURATION_WIDTHS).astype(np.float32)

# The head of a pitch sees the keys within so many semitones of the previous note, the others those around the note.
_NEARBY_SEMITONES = {"pitch": 24, "duration": 12, "velocity": 12}

# The input features of each head and their sizes. Each has a projection, the attribute <field>_<input>_proj. `note` is
# the beginning of note_features; what the others are, the functions of their names in stages.model.features say.
_HEAD_INPUT_SIZES = {
    "step": {"timing": features.TIMING_SIZE, "shared_ends": features.SHARED_ENDS_SIZE},
    "pitch": {
        "note": features.SIZE_BEFORE_PITCH,
        "keyboard": features.KEYBOARD_SIZE,
        "nearby_keys": features.nearby_keys_size(_NEARBY_SEMITONES["pitch"]),
        "time_to_future": features.TIME_SIZE,
    },
    "duration": {
        "note": features.SIZE_BEFORE_DURATION,
        "timing": features.TIMING_SIZE,
        "nearby_keys": features.nearby_keys_size(_NEARBY_SEMITONES["duration"]),
        "shared_ends": features.SHARED_ENDS_SIZE,
        "time_to_future": features.TIME_SIZE,
    },
    "velocity": {
        "note": features.SIZE_BEFORE_VELOCITY,
        "nearby_keys": features.nearby_keys_size(_NEARBY_SEMITONES["velocity"]),
        "time_to_future": features.TIME_SIZE,
    },
}
_NUM_CHOICES = {
    "step": STEP_BINS,
    "pitch": NUM_KEYS,
    "duration": DURATION_BINS + NUM_POINTERS,
    "velocity": VELOCITY_BINS,
}


class FutureContext(NamedTuple):
    """The future of each of several pasts.

    Where there is no future, because the piece ends before, time_to_future is -1 and all else but the gap is zero.

    Attributes:
        outputs: Backward LSTM outputs at the first future note, shape (..., lstm_units).
        next_note: The first future note (features.future_note_features), shape (..., FUTURE_NOTE_SIZE).
        gap: Notes between past and future, integers, shape (...).
        time_to_future: Frames from the last onset of the past to the first of the future, integers, shape (...).
    """

    outputs: Any
    next_note: Any
    gap: Any
    time_to_future: Any


class HeadInputs(NamedTuple):
    """What the heads are conditioned on before any field of a note is known.

    Attributes:
        step, pitch, duration, velocity: Hidden values of each head, shape (..., head_units).
        time_to_future: See FutureContext; None where no future is known.
    """

    step: Any
    pitch: Any
    duration: Any
    velocity: Any
    time_to_future: Any = None


@keras.saving.register_keras_serializable("bilstm")
class BiLSTM(keras.Model):
    """A network that predicts piano notes from the past (continuation), or from the past and a future (infill).

    The methods <field>_log_probs are the heads. They return normalized log-probabilities of shape (..., choices). In
    the `rows` of the notes to be predicted they use only what comes before their own field.

    Args:
        lstm_units: Size of each LSTM.
        trunk_units: Size of the layer that joins past and future.
        head_units: Size of the hidden layer of each head.
        max_gap_notes: The largest gap.
        duration_pointers: Whether durations may point at the ends of earlier notes.
    """

    def __init__(
        self,
        lstm_units: int,
        trunk_units: int,
        head_units: int,
        max_gap_notes: int,
        duration_pointers: bool = True,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.lstm_units, self.trunk_units, self.head_units = lstm_units, trunk_units, head_units
        self.max_gap_notes, self.duration_pointers = max_gap_notes, duration_pointers
        # The order in which layers are created is that of the weights in the model file and of the random draws.
        self._add_lstms()
        self._add_trunk()
        self._add_heads()
        self._add_intervals()
        self._add_pointers()
        self.built = True

    def _add_lstms(self) -> None:
        self.forward_lstm = LSTM(self.lstm_units, name="forward_lstm", dtype=self.dtype_policy)
        self.forward_lstm.build((None, None, features.NOTE_SIZE))
        self.backward_lstm = LSTM(self.lstm_units, name="backward_lstm", dtype=self.dtype_policy)
        self.backward_lstm.build((None, None, features.FUTURE_NOTE_SIZE))

    def _add_trunk(self) -> None:
        self.past_proj = self._dense("past_proj", self.lstm_units, self.trunk_units, use_bias=True)
        # With a path of its own the last note need not pass through the LSTM state.
        self.last_note_proj = self._dense("last_note_proj", features.NOTE_SIZE, self.trunk_units)
        self.future_proj = self._dense("future_proj", self.lstm_units, self.trunk_units)
        # A scale (minus one) for the future and a shift: the larger the gap, the less the future says.
        self.gap_embedding = layers.Embedding(
            self.max_gap_notes + 1, 2 * self.trunk_units, name="gap_embedding", dtype=self.dtype_policy
        )
        self.gap_embedding.build((None,))
        self.next_note_proj = self._dense("next_note_proj", features.FUTURE_NOTE_SIZE, self.trunk_units)
        self.time_to_future_proj = self._dense("time_to_future_proj", features.TIME_SIZE, self.trunk_units)

    def _add_heads(self) -> None:
        self.head_proj = self._dense("head_proj", self.trunk_units, len(_NUM_CHOICES) * self.head_units, use_bias=True)
        for field, input_sizes in _HEAD_INPUT_SIZES.items():
            for name, size in input_sizes.items():
                name = f"{field}_{name}_proj"
                setattr(self, name, self._dense(name, size, self.head_units))
        for field, num_choices in _NUM_CHOICES.items():
            name = f"{field}_logits"
            setattr(self, name, self._dense(name, self.head_units, num_choices, use_bias=True, dtype="float32"))

    def _add_intervals(self) -> None:
        self.interval_logits = self._dense("interval_logits", self.head_units, features.NUM_INTERVALS, dtype="float32")

    def _add_pointers(self) -> None:
        self.pointer_target_proj = self._dense(
            "pointer_target_proj", features.POINTER_SIZE, POINTER_UNITS, use_bias=True
        )
        self.pointer_query_proj = self._dense("pointer_query_proj", self.head_units, POINTER_UNITS)
        self.pointer_scores = self._dense("pointer_scores", POINTER_UNITS, len(POINTER_OFFSETS), dtype="float32")

    def _dense(self, name: str, input_size: int, output_size: int, use_bias: bool = False, dtype=None) -> layers.Dense:
        layer = layers.Dense(output_size, use_bias=use_bias, name=name, dtype=dtype or self.dtype_policy)
        layer.build((None, input_size))
        return layer

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments; the precision is not part of them."""
        names = ("lstm_units", "trunk_units", "head_units", "max_gap_notes", "duration_pointers")
        return {name: getattr(self, name) for name in names}

    def call(self, rows):
        """Return the negative log-likelihood of continuations from the beginning of each piece.

        Args:
            rows: shape (batch, 1 + notes, ROW_SIZE); the first row is the note (or padding) before the first note.

        Returns:
            Nats of each note and field, float32, shape (batch, notes, 4).
        """
        past_outputs, _ = self.read_past(rows[:, :-1], None)
        return self.nll(self.head_inputs(past_outputs, rows[:, :-1]), rows)

    def read_past(self, rows, state):
        """Read notes with the forward LSTM.

        Args:
            rows: shape (batch, notes, ROW_SIZE).
            state: The state to begin with, two arrays of shape (batch, lstm_units); None at the beginning of a piece.

        Returns:
            The output after each note, shape (batch, notes, lstm_units), and the last state.
        """
        return self.forward_lstm(features.note_features(rows), state)

    def read_past_note(self, row, state):
        """Read a single note, of shape (batch, ROW_SIZE), with the forward LSTM.

        Args:
            row: shape (batch, ROW_SIZE).
            state: See read_past.

        Returns:
            The output, shape (batch, lstm_units), and the state after the note.
        """
        state = self.forward_lstm.advance(features.note_features(row), state)
        return state[0], state

    def read_future(self, rows):
        """Read notes with the backward LSTM, from the last one to the first.

        Only fields of these notes are used, since the other columns of a row depend on the notes before it.

        Args:
            rows: shape (batch, notes, ROW_SIZE), with padding only at the end.

        Returns:
            shape (batch, notes, lstm_units). Output i has seen note i and all after it; zero where that is padding.
        """
        notes, padding_mask = features.future_note_features(rows), rows[..., PITCH] == PAD_PITCH
        outputs, _ = self.backward_lstm(ops.flip(notes, axis=1), padding_mask=ops.flip(padding_mask, axis=1))
        return ops.flip(outputs, axis=1)

    def future_context(self, rows, future_outputs, gap, seq_len: int) -> FutureContext:
        """Return the future, `gap` notes away, of each of the first `seq_len` rows taken as the last note of a past.

        Args:
            rows: shape (batch, notes, ROW_SIZE), where notes is more than seq_len + the largest gap.
            future_outputs: What read_future returns for `rows`, shape (batch, notes, lstm_units).
            gap: integers, shape (batch,).
            seq_len: Number of pasts in each batch row.

        Returns:
            Arrays of shape (batch, seq_len, ...).
        """
        batch_size, num_rows = rows.shape[:2]
        # Indices into arrays whose first two dimensions are flattened.
        index = ops.arange(seq_len) + 1 + gap[:, None] + num_rows * ops.arange(batch_size)[:, None]

        def first_future_note(values):
            return ops.take(ops.reshape(values, (batch_size * num_rows, *values.shape[2:])), index, axis=0)

        onset = ops.cumsum(ops.cast(rows[..., STEP], "int32"), axis=1)
        ended = first_future_note(rows[..., PITCH] == PAD_PITCH)
        return FutureContext(
            outputs=first_future_note(future_outputs),
            next_note=ops.where(ended[..., None], 0.0, first_future_note(features.future_note_features(rows))),
            gap=ops.broadcast_to(gap[:, None], (batch_size, seq_len)),
            time_to_future=ops.where(ended, -1, first_future_note(onset) - onset[:, :seq_len]),
        )

    def head_inputs(self, past_outputs, last_rows, future_context: FutureContext | None = None) -> HeadInputs:
        """Combine past and future into the inputs of the heads.

        Args:
            past_outputs: Forward LSTM outputs, shape (..., lstm_units).
            last_rows: The last note of each past, shape (..., ROW_SIZE).
            future_context: The future of each past; None for a continuation.
        """
        joined = self.past_proj(past_outputs) + self.last_note_proj(features.note_features(last_rows))
        gap = future_context.gap if future_context else ops.zeros((1,), "int32")
        scale, shift = ops.split(self.gap_embedding(gap), 2, axis=-1)
        joined = joined + shift
        if future_context:
            future = self.future_proj(future_context.outputs) + self.next_note_proj(future_context.next_note)
            time_features = features.time_features(future_context.time_to_future)
            joined = joined + future * (1 + scale) + self.time_to_future_proj(time_features)
        step, pitch, duration, velocity = ops.split(self.head_proj(_gelu(joined)), 4, axis=-1)
        step = step + self.step_timing_proj(features.next_timing_histogram(last_rows))
        step = step + self.step_shared_ends_proj(features.shared_ends_features(last_rows))
        return HeadInputs(step, pitch, duration, velocity, future_context.time_to_future if future_context else None)

    def step_log_probs(self, head_inputs: HeadInputs):
        """Return log-probabilities of the step bins."""
        return ops.log_softmax(self.step_logits(_gelu(head_inputs.step)))

    def pitch_log_probs(self, head_inputs: HeadInputs, rows, previous_pitch):
        """Return log-probabilities of the keys.

        The logit of a key is the sum of one for the key and one for its interval from the previous note. So what is
        learned of an interval holds in every register, and chords need not be learned in every key.

        Notes with the same onset are in order of pitch, so after a step of zero the keys below the previous one have
        probability zero.

        Args:
            head_inputs: See head_inputs.
            rows: The notes to be predicted, shape (..., ROW_SIZE); only the step is used.
            previous_pitch: integers, shape (...); PAD_PITCH if there is no previous note.
        """
        hidden = self._hidden(
            "pitch",
            head_inputs,
            rows,
            keyboard=features.keyboard_features(rows),
            nearby_keys=features.nearby_key_features(rows, previous_pitch, _NEARBY_SEMITONES["pitch"]),
        )
        logits = self.pitch_logits(hidden) + _logits_of_keys(self.interval_logits(hidden), previous_pitch)
        same_onset = (rows[..., STEP] == 0) & (previous_pitch < PAD_PITCH)
        below_previous = ops.arange(NUM_KEYS) < ops.cast(previous_pitch, "int32")[..., None]
        return ops.log_softmax(ops.where(same_onset[..., None] & below_previous, MASKED_LOGIT, logits))

    def duration_log_probs(self, head_inputs: HeadInputs, rows):
        """Return log-probabilities of the DURATION_BINS bins and then of the NUM_POINTERS pointers.

        The pointers are in the order of pointed_durations.
        """
        hidden = self._hidden(
            "duration",
            head_inputs,
            rows,
            timing=features.timing_histogram(rows),
            nearby_keys=features.nearby_key_features(rows, rows[..., PITCH], _NEARBY_SEMITONES["duration"]),
            shared_ends=features.shared_ends_features(rows),
        )
        bins, pointers = ops.split(self.duration_logits(hidden), [DURATION_BINS], axis=-1)
        pointers = pointers + self._pointer_scores(hidden, rows)
        pointed = pointed_durations(rows)
        possible = (pointed >= 1) & (pointed <= DURATION_FRAMES) & self.duration_pointers
        return ops.log_softmax(ops.concatenate([bins, ops.where(possible, pointers, MASKED_LOGIT)], axis=-1))

    def velocity_log_probs(self, head_inputs: HeadInputs, rows):
        """Return log-probabilities of the velocity bins."""
        nearby_keys = features.nearby_key_features(rows, rows[..., PITCH], _NEARBY_SEMITONES["velocity"])
        hidden = self._hidden("velocity", head_inputs, rows, nearby_keys=nearby_keys)
        return ops.log_softmax(self.velocity_logits(hidden))

    def _pointer_scores(self, hidden, rows):
        # What is added to the logits of the pointers, in their order.
        query = self.pointer_query_proj(hidden)[..., None, :]
        scores = self.pointer_scores(_gelu(self.pointer_target_proj(features.pointer_features(rows)) + query))
        return ops.reshape(ops.swapaxes(scores, -1, -2), (*scores.shape[:-2], NUM_POINTERS))

    def _hidden(self, field: str, head_inputs: HeadInputs, rows, **inputs):
        # Hidden values of the head of a field after the step. inputs: features by their names in _HEAD_INPUT_SIZES, but
        # for note and time_to_future.
        known_size = _HEAD_INPUT_SIZES[field]["note"]
        inputs = {"note": features.note_features(rows)[..., :known_size]} | inputs
        hidden = reduce(ops.add, (getattr(self, f"{field}_{name}_proj")(values) for name, values in inputs.items()))
        hidden = hidden + _remaining_time(
            getattr(self, f"{field}_time_to_future_proj"), head_inputs.time_to_future, rows
        )
        return _gelu(getattr(head_inputs, field) + hidden)

    def nll(self, head_inputs: HeadInputs, rows):
        """Return the negative log-likelihood of notes on the grid.

        Args:
            head_inputs: For each of the notes, arrays of shape (batch, notes, ...).
            rows: shape (batch, 1 + notes, ROW_SIZE): the note before the first, then the notes.

        Returns:
            Nats of each note and field, float32, shape (batch, notes, 4); zero for padding.
        """
        previous_rows, rows = rows[:, :-1], rows[:, 1:]
        step, pitch, duration, velocity = (ops.cast(rows[..., field], "int32") for field in range(4))
        # The probability of a bin is spread evenly over its frames.
        step_log_probs = self.step_log_probs(head_inputs) - _STEP_LOG_WIDTHS
        log_probs = ops.stack(
            [
                _log_prob_of(step_log_probs, features.step_bin(step)),
                _log_prob_of(self.pitch_log_probs(head_inputs, rows, previous_rows[..., PITCH]), pitch),
                _duration_log_prob(self.duration_log_probs(head_inputs, rows), rows, duration),
                _log_prob_of(self.velocity_log_probs(head_inputs, rows), velocity),
            ],
            axis=-1,
        )
        return ops.where((pitch < PAD_PITCH)[..., None], -log_probs, 0.0)


def pointed_durations(rows):
    """Return the duration in frames that each pointer of a note stands for.

    Args:
        rows: shape (..., ROW_SIZE).

    Returns:
        int32, shape (..., NUM_POINTERS): the NUM_RECENT notes before, once for each of POINTER_OFFSETS.
    """
    remaining = ops.cast(rows[..., REMAINING], "int32")
    return ops.concatenate([remaining + offset for offset in POINTER_OFFSETS], axis=-1)


def _gelu(x):
    # The tanh approximation of Hendrycks and Gimpel (2016), as ops.gelu, whose third power is slow in TensorFlow.
    # With 0.5 * (1 + tanh(u)) = sigmoid(2 * u) it takes fewer passes over memory.
    return x * ops.sigmoid(math.sqrt(8 / math.pi) * x * (1 + 0.044715 * ops.square(x)))


def _logits_of_keys(interval_logits, previous_pitch):
    # Place the logits of intervals at the keys that they lead to, shape (..., NUM_KEYS). They are zero beyond
    # features.MAX_INTERVAL and where there is no previous note.
    interval_to_lowest_key = features.MAX_INTERVAL - ops.cast(previous_pitch, "int32")

    @ops.custom_gradient
    def place(interval_logits):
        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            # The other way it is a gather, too. Without this it would be a scatter, which is slow on a GPU.
            return _segments(upstream, -interval_to_lowest_key, features.NUM_INTERVALS)

        return _segments(interval_logits, interval_to_lowest_key, NUM_KEYS), gradient

    return ops.where((previous_pitch < PAD_PITCH)[..., None], place(interval_logits), 0.0)


def _segments(values, start, size: int):
    # values[..., start : start + size], where start, of shape (...), may be negative; zero beyond the ends.
    length, num_rows = values.shape[-1], math.prod(values.shape[:-1])
    index = ops.reshape(start, (num_rows, 1)) + ops.arange(size)
    exists = (index >= 0) & (index < length)
    index = ops.clip(index, 0, length - 1) + length * ops.arange(num_rows)[:, None]
    segments = ops.where(exists, ops.take(ops.reshape(values, (-1,)), index), 0.0)
    return ops.reshape(segments, (*values.shape[:-1], size))


def _remaining_time(projection, time_to_future, rows):
    # Project the time that is left to the future at the onset of each note of `rows`.
    if time_to_future is None:
        return 0
    remaining = ops.maximum(time_to_future - ops.cast(rows[..., STEP], "int32"), 0)
    return projection(features.time_features(ops.where(time_to_future < 0, -1, remaining)))


def _duration_log_prob(log_probs, rows, duration):
    # A duration may be reached by its bin and by several pointers.
    bins, pointers = ops.split(log_probs, [DURATION_BINS], axis=-1)
    by_bin = _log_prob_of(bins - _DURATION_LOG_WIDTHS, features.duration_bin(duration))
    by_pointer = ops.where(pointed_durations(rows) == duration[..., None], pointers, MASKED_LOGIT)
    return ops.logsumexp(ops.concatenate([by_bin[..., None], by_pointer], axis=-1), axis=-1)


def _log_prob_of(log_probs, choice):
    # A sum over a one-hot mask: its gradient, unlike that of a gather, is no scatter.
    chosen = ops.one_hot(choice, log_probs.shape[-1], dtype="bool")
    return ops.sum(ops.where(chosen, log_probs, 0.0), axis=-1)

"""The network: a forward LSTM over the past, a backward LSTM over a future some notes away, and four chained heads.

    p(note t | past, future) = p(step) p(pitch | step) p(duration | step, pitch) p(velocity | step, pitch, duration)

where the past are the notes before t and the future those from t + k on. The network is told the gap k and the room,
which is the time from note t - 1 to note t + k; k = 0 stands for "no known future". Beside what the LSTMs remember,
each head is shown what bears on its field (see network.features). The durations' distribution is a mixture: bins of
cells (music.encoding), and "ends together with one of the RECENT notes before, give or take a cell", evaluated exactly:
it sums to one over cells.

Written in keras.ops alone, so any Keras backend runs it. Arrays called `rows` are integers of shape
(batch, notes, COLUMNS) as network.batches makes them.
"""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers, ops

from stages.model import features
from stages.model.batching import PAD_PITCH, REMAINING
from stages.model.history import NUM_RECENT
from stages.model.lstm import LSTM
from stages.representation import grid_encoding
from stages.representation.grid_encoding import DURATION_BINS, NUM_KEYS, PITCH, STEP, STEP_BINS, VELOCITY_BINS

POINTER_OFFSETS = (-1, 0, 1)  # cells by which an end may miss the end of an earlier note and still count as "together"
NUM_POINTERS = NUM_RECENT * len(POINTER_OFFSETS)
MASKED_LOGIT = -1e9  # a logit; softmax gives it exactly nought

_STEP_LOG_WIDTHS = np.log(grid_encoding.STEP_WIDTHS).astype(np.float32)
_DURATION_LOG_WIDTHS = np.log(grid_encoding.DURATION_WIDTHS).astype(np.float32)


class FutureContext(NamedTuple):
    """A future as it is seen from the end of a past.

    future: what the backward LSTM made of it, shape (..., units); next: its first note (features.note_ahead); gap: the
    notes between past and future; room: cells from the past's last onset to the future's first; integers of shape
    (...). If there is none, since the piece ends before, the room is -1 and the rest noughts, but for the gap.
    """

    future: Any
    next: Any
    gap: Any
    room: Any


class HeadInputs(NamedTuple):
    """What is known of a note before it is drawn: an array of shape (..., head) for each head, and Ahead.room."""

    step: Any
    pitch: Any
    duration: Any
    velocity: Any
    room: Any = None


@keras.saving.register_keras_serializable("bilstm")
class BiLSTM(keras.Model):
    """A pianist that continues and fills in.

    units: width of each LSTM; trunk: of the layer that joins past and future; head: of each field's head;
    longest_gap: the largest gap k it can be told; pointers: whether durations may point at the ends of earlier notes.
    """

    def __init__(self, units: int, trunk: int, head: int, longest_gap: int, pointers: bool = True, **kwargs) -> None:
        super().__init__(**kwargs)
        self.units, self.trunk, self.head, self.longest_gap = units, trunk, head, longest_gap
        self.pointers = pointers
        policy = {"dtype": self.dtype_policy}

        def lstm(inputs: int, name: str) -> LSTM:
            layer = LSTM(units, name=name, **policy)
            layer.build((None, None, inputs))
            return layer

        def dense(inputs: int, width: int, name: str, bias: bool = False, **more) -> layers.Dense:
            layer = layers.Dense(width, use_bias=bias, name=name, **(policy | more))
            layer.build((None, inputs))
            return layer

        def logits(width: int, name: str) -> layers.Dense:
            return dense(head, width, f"{name}_logits", bias=True, dtype="float32")

        self.forward_lstm = lstm(features.NOTE_SIZE, "forward")
        self.backward_lstm = lstm(features.FUTURE_NOTE_SIZE, "backward")

        self.from_past = dense(units, trunk, "from_past", bias=True)
        self.from_last = dense(features.NOTE_SIZE, trunk, "from_last")  # spares the LSTM carrying the last note itself
        self.from_future = dense(units, trunk, "from_future")
        # By how much the future counts, a factor less one, and what to add: the farther off, the less it says.
        self.from_gap = layers.Embedding(longest_gap + 1, 2 * trunk, name="from_gap", **policy)
        self.from_gap.build(None)
        self.from_next = dense(features.FUTURE_NOTE_SIZE, trunk, "from_next")
        self.from_room = dense(features.TIME_SIZE, trunk, "from_room")

        # What a head sees beside the trunk, the fields before its own among it, enters as sums.
        self.to_heads = dense(trunk, 4 * head, "to_heads", bias=True)
        self.step_rhythm = dense(features.TIMING_SIZE, head, "step_rhythm")
        self.pitch_note = dense(features.SIZE_BEFORE_PITCH, head, "pitch_note")
        self.pitch_keys = dense(features.KEYBOARD_SIZE, head, "pitch_keys")
        self.pitch_room = dense(features.TIME_SIZE, head, "pitch_room")
        self.duration_note = dense(features.SIZE_BEFORE_DURATION, head, "duration_note")
        self.duration_rhythm = dense(features.TIMING_SIZE, head, "duration_rhythm")
        self.duration_keys = dense(features.NEARBY_KEYS_SIZE, head, "duration_keys")
        self.duration_room = dense(features.TIME_SIZE, head, "duration_room")
        self.velocity_note = dense(features.SIZE_BEFORE_VELOCITY, head, "velocity_note")
        self.velocity_keys = dense(features.NEARBY_KEYS_SIZE, head, "velocity_keys")
        self.velocity_room = dense(features.TIME_SIZE, head, "velocity_room")
        self.step_logits = logits(STEP_BINS, "step")
        self.pitch_logits = logits(NUM_KEYS, "pitch")
        self.duration_logits = logits(DURATION_BINS + NUM_POINTERS, "duration")
        self.velocity_logits = logits(VELOCITY_BINS, "velocity")
        self.built = True

    def get_config(self) -> dict:
        """What makes the same network again; its precision is not part of it."""
        return {name: getattr(self, name) for name in ("units", "trunk", "head", "longest_gap", "pointers")}

    def call(self, rows):
        """Nats of each field of each note, shape (batch, notes - 1, 4), every row read as one piece's continuation."""
        past, _ = self.past(rows[:, :-1], None)
        return self.nats(self.context(past, rows[:, :-1]), rows)

    # -- reading

    def past(self, rows, state):
        """Read on from `state`, two arrays of shape (batch, units), or None at a piece's beginning.

        Returns the outputs after each row, shape (batch, notes, units), and the new state.
        """
        return self.forward_lstm(features.note_features(rows), state)

    def past_step(self, row, state):
        """`past` for a single note: row of shape (batch, COLUMNS); returns (batch, units) and the new state."""
        state = self.forward_lstm.step(features.note_features(row), state)
        return state[0], state

    def future(self, rows):
        """Read from the last row back; output i, of shape (batch, notes, units), has seen notes i and all after it.

        Of those notes alone, and of the steps between them: what else stands in their rows tells of the notes before.
        Pads are not read: where the piece has ended, the output is nought.
        """
        notes, absent = features.future_note_features(rows), rows[..., PITCH] == PAD_PITCH
        outputs, _ = self.backward_lstm(ops.flip(notes, axis=1), absent=ops.flip(absent, axis=1))
        return ops.flip(outputs, axis=1)

    def ahead(self, rows, future, gap, window: int) -> FutureContext:
        """What each of the first `window` rows, as a past's last, has ahead of it with `gap` notes between.

        rows: shape (batch, more than window + the largest gap, COLUMNS); future: what `future` makes of them; gap:
        integers, shape (batch,).
        """
        batch, length = rows.shape[:2]
        place = ops.arange(window) + 1 + gap[:, None] + length * ops.arange(batch)[:, None]

        def at_place(values):
            return ops.take(ops.reshape(values, (batch * length, *values.shape[2:])), place, axis=0)

        onset = ops.cumsum(ops.cast(rows[..., STEP], "int32"), axis=1)
        ended = at_place(rows[..., PITCH] == PAD_PITCH)
        return FutureContext(
            at_place(future),
            ops.where(ended[..., None], 0.0, at_place(features.future_note_features(rows))),
            ops.broadcast_to(gap[:, None], (batch, window)),
            ops.where(ended, -1, at_place(onset) - onset[:, :window]),
        )

    def context(self, past, last, ahead: "FutureContext | None" = None) -> "HeadInputs":
        """What the heads of the notes after `last` are told.

        past: what the forward LSTM made of it, shape (..., units); last: the past's last rows, (..., COLUMNS). Without
        anything ahead it is the context of a continuation.
        """
        joined = self.from_past(past) + self.from_last(features.note_features(last))
        factor, shift = ops.split(self.from_gap(ahead.gap if ahead else ops.zeros((1,), "int32")), 2, axis=-1)
        joined = joined + shift
        if ahead:
            seen = self.from_future(ahead.future) + self.from_next(ahead.next)
            joined = joined + seen * (1 + factor) + self.from_room(features.time_features(ahead.room))
        step, pitch, duration, velocity = ops.split(self.to_heads(ops.gelu(joined)), 4, axis=-1)
        step = step + self.step_rhythm(features.next_timing_histogram(last))
        return HeadInputs(step, pitch, duration, velocity, ahead.room if ahead else None)

    # -- the heads: log-probabilities, normalised, of shape (..., choices). `rows` are those of the notes in question;
    # a head looks at nothing in them that is drawn later than its field.

    def step(self, context):
        """Of the step bins."""
        return ops.log_softmax(self.step_logits(ops.gelu(context.step)))

    def pitch(self, context, rows, before):
        """Of the keys, given the key struck before, integers of shape (...); within a cell notes go up in pitch."""
        seen = self.pitch_note(features.note_features(rows)[..., : features.SIZE_BEFORE_PITCH])
        seen = seen + self.pitch_keys(features.keyboard_features(rows))
        seen = seen + _left(self.pitch_room, context, rows)
        logits = self.pitch_logits(ops.gelu(context.pitch + seen))
        together = (rows[..., STEP] == 0) & (before < PAD_PITCH)
        out_of_order = together[..., None] & (ops.arange(NUM_KEYS) < ops.cast(before, "int32")[..., None])
        return ops.log_softmax(ops.where(out_of_order, MASKED_LOGIT, logits))

    def duration(self, context, rows):
        """Of the duration bins, then the pointers: for each of NEAR, the RECENT notes' ends."""
        seen = self.duration_note(features.note_features(rows)[..., : features.SIZE_BEFORE_DURATION])
        seen = (
            seen
            + self.duration_rhythm(features.timing_histogram(rows))
            + self.duration_keys(features.nearby_key_features(rows))
        )
        seen = seen + _left(self.duration_room, context, rows)
        bins, pointers = ops.split(self.duration_logits(ops.gelu(context.duration + seen)), [DURATION_BINS], axis=-1)
        pointed = pointed_durations(rows)
        possible = (pointed >= 1) & (pointed <= grid_encoding.DURATION_FRAMES) & self.pointers
        return ops.log_softmax(ops.concatenate([bins, ops.where(possible, pointers, MASKED_LOGIT)], axis=-1))

    def velocity(self, context, rows):
        """Of the velocity bins."""
        seen = self.velocity_note(features.note_features(rows)[..., : features.SIZE_BEFORE_VELOCITY])
        seen = seen + self.velocity_keys(features.nearby_key_features(rows))
        seen = seen + _left(self.velocity_room, context, rows)
        return ops.log_softmax(self.velocity_logits(ops.gelu(context.velocity + seen)))

    def nats(self, context, rows):
        """Negative log-likelihood on the grid of each note and field, float32, shape (batch, notes, 4); 0 for pads.

        rows: one more than the contexts, shape (batch, 1 + notes, COLUMNS): the note before the first, then the notes.
        """
        before, rows = rows[:, :-1], rows[:, 1:]
        step, pitch, duration, velocity = (ops.cast(rows[..., field], "int32") for field in range(4))
        of_step = self.step(context) - _STEP_LOG_WIDTHS
        bins, pointers = ops.split(self.duration(context, rows), [DURATION_BINS], axis=-1)
        binned = _log_prob_of(bins - _DURATION_LOG_WIDTHS, features.duration_bin(duration))
        pointed = ops.where(pointed_durations(rows) == duration[..., None], pointers, MASKED_LOGIT)
        nats = -ops.stack(
            [
                _log_prob_of(of_step, features.step_bin(step)),
                _log_prob_of(self.pitch(context, rows, before[..., PITCH]), pitch),
                ops.logsumexp(ops.concatenate([binned[..., None], pointed], axis=-1), axis=-1),
                _log_prob_of(self.velocity(context, rows), velocity),
            ],
            axis=-1,
        )
        return ops.where((pitch < PAD_PITCH)[..., None], nats, 0.0)


def _left(layer, context, rows):
    # What `layer` makes of the room that is left after the step, if there is something ahead.
    if context.room is None:
        return 0
    left = ops.maximum(context.room - ops.cast(rows[..., STEP], "int32"), 0)
    return layer(features.time_features(ops.where(context.room < 0, -1, left)))


def pointed_durations(rows):
    """The duration, in cells, that each pointer of a note stands for: for each of NEAR, the RECENT notes before."""
    remaining = ops.cast(rows[..., REMAINING], "int32")
    return ops.concatenate([remaining + near for near in POINTER_OFFSETS], axis=-1)


def _log_prob_of(log_probabilities, choice):
    # A sum over ones and noughts, since its gradient, unlike a gather's, is not scattered.
    chosen = ops.one_hot(choice, log_probabilities.shape[-1], dtype="bool")
    return ops.sum(ops.where(chosen, log_probabilities, 0.0), axis=-1)

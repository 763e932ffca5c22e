"""The network: a forward LSTM over the past, a backward LSTM over a future some notes away, and four chained heads.

    p(note t | past, future) = p(step) p(pitch | step) p(duration | step, pitch) p(velocity | step, pitch, duration)

where the past are the notes before t and the future those from t + k on. The gap k is told to the network; k = 0
stands for "no known future". The durations' distribution is a mixture: bins of cells (music.encoding), and "ends
together with one of the RECENT notes before, give or take a cell", evaluated exactly: it sums to one over cells.

Written in keras.ops alone, so any Keras backend runs it. Arrays called `rows` are integers of shape
(batch, notes, COLUMNS) as network.batches makes them.
"""

import io
import json
import tempfile
import zipfile
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

from stages.music import encoding
from stages.music.encoding import DURATION, DURATION_BINS, KEYS, PITCH, RECENT, STEP, STEP_BINS, VELOCITIES, VELOCITY
from stages.music.errors import InputError
from stages.network.batches import NO_NOTE

NEAR = (-1, 0, 1)  # cells by which an end may miss the end of an earlier note and still count as "together"
POINTERS = RECENT * len(NEAR)
INPUT_WIDTHS = {"step": 64, "pitch": 64, "duration": 48, "velocity": 16}
_IMPOSSIBLE = -1e9  # a logit; softmax gives it exactly nought

_STEP_LOG_WIDTHS = np.log(encoding.STEP_WIDTHS).astype(np.float32)
_DURATION_LOG_WIDTHS = np.log(encoding.DURATION_WIDTHS).astype(np.float32)


@keras.saving.register_keras_serializable("bilstm")
class BiLSTM(keras.Model):
    """A pianist that continues and fills in.

    units: width of each LSTM; trunk: of the layer that joins past and future; head: of each field's head;
    longest_gap: the largest gap k it can be told.
    """

    def __init__(self, units: int, trunk: int, head: int, longest_gap: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.units, self.trunk, self.head, self.longest_gap = units, trunk, head, longest_gap
        policy = {"dtype": self.dtype_policy}

        def table(entries: int, width: int, name: str) -> layers.Embedding:
            layer = layers.Embedding(entries, width, name=name, **policy)
            layer.build(None)
            return layer

        def dense(inputs: int, width: int, name: str, bias: bool = True, **more) -> layers.Dense:
            layer = layers.Dense(width, use_bias=bias, name=name, **(policy | more))
            layer.build((None, inputs))
            return layer

        widths = INPUT_WIDTHS
        self.read_step = table(STEP_BINS, widths["step"], "read_step")
        self.read_pitch = table(KEYS + 1, widths["pitch"], "read_pitch")  # the last for NO_NOTE
        self.read_duration = table(DURATION_BINS, widths["duration"], "read_duration")
        self.read_velocity = table(VELOCITIES, widths["velocity"], "read_velocity")
        inputs = sum(widths.values()) + 2 * RECENT
        self.forward_lstm = layers.LSTM(units, return_sequences=True, return_state=True, name="forward", **policy)
        self.backward_lstm = layers.LSTM(units, return_sequences=True, name="backward", **policy)
        self.forward_lstm.build((None, None, inputs))
        self.backward_lstm.build((None, None, inputs))

        self.from_past = dense(units, trunk, "from_past")
        self.from_future = dense(units, trunk, "from_future", bias=False)
        self.from_gap = table(longest_gap + 1, trunk, "from_gap")

        # The fields that a head sees beside the trunk enter it as sums, so each is one lookup in a table that holds
        # a part for every head still to come.
        self.head_trunk = dense(trunk, 4 * head, "head_trunk")
        self.head_step = table(STEP_BINS, 3 * head, "head_step")
        self.head_pitch = table(KEYS, 2 * head, "head_pitch")
        self.head_duration = table(DURATION_BINS, head, "head_duration")
        self.head_remaining = dense(2 * RECENT, 2 * head, "head_remaining", bias=False)
        logits = {"dtype": "float32"}
        self.step_logits = dense(head, STEP_BINS, "step_logits", **logits)
        self.pitch_logits = dense(head, KEYS, "pitch_logits", **logits)
        self.duration_logits = dense(head, DURATION_BINS + POINTERS, "duration_logits", **logits)
        self.velocity_logits = dense(head, VELOCITIES, "velocity_logits", **logits)
        self.built = True

    def get_config(self) -> dict:
        """What makes the same network again; its precision is not part of it."""
        return {"units": self.units, "trunk": self.trunk, "head": self.head, "longest_gap": self.longest_gap}

    def call(self, rows):
        """Nats of each field of each note, shape (batch, notes - 1, 4), every row read as one piece's continuation."""
        past, _ = self.past(rows[:, :-1], None)
        return self.nats(self.context(past), rows)

    # -- reading

    def _read(self, rows):
        step, duration = _step_bin(rows[..., STEP]), _duration_bin(rows[..., DURATION])
        return ops.concatenate(
            [
                self.read_step(step),
                self.read_pitch(rows[..., PITCH]),
                self.read_duration(duration),
                self.read_velocity(rows[..., VELOCITY]),
                ops.cast(_times(rows[..., 4:]), self.compute_dtype),
            ],
            axis=-1,
        )

    def past(self, rows, state):
        """Read on from `state`, two arrays of shape (batch, units), or None at a piece's beginning.

        Returns the outputs after each row, shape (batch, notes, units), and the new state.
        """
        outputs, *state = self.forward_lstm(self._read(rows), initial_state=state)
        return outputs, state

    def past_step(self, row, state):
        """`past` for a single note: row of shape (batch, COLUMNS); returns (batch, units) and the new state."""
        return self.forward_lstm.cell(self._read(row), state)

    def future(self, rows):
        """Read from the end; output i, of shape (batch, notes, units), has seen rows i and all after it.

        Pads are not read: where the piece has ended, the output is nought.
        """
        notes = ops.flip(rows[..., PITCH] < NO_NOTE, axis=1)
        return ops.flip(self.backward_lstm(ops.flip(self._read(rows), axis=1), mask=notes), axis=1)

    def context(self, past, future=None, gap=None):
        """Join past and future, shape (..., units) each, and the gap between them, integers of shape (...).

        Without a future it is the context of a continuation. Shape (..., 4 * head), a part for each field's head.
        """
        joined = self.from_past(past)
        if future is None:
            joined = joined + self.from_gap(ops.zeros((1,), "int32"))
        else:
            joined = joined + self.from_future(future) + self.from_gap(gap)
        return self.head_trunk(ops.gelu(joined))

    # -- the heads: log-probabilities, normalised, of shape (..., choices)

    def step(self, context):
        """Of the step bins."""
        return ops.log_softmax(self.step_logits(ops.gelu(context[..., : self.head])))

    def pitch(self, context, step, before):
        """Of the keys, given the step in cells and the key struck before; within a cell notes go up in pitch."""
        hidden = context[..., self.head : 2 * self.head] + self.head_step(_step_bin(step))[..., : self.head]
        logits = self.pitch_logits(ops.gelu(hidden))
        together = (step == 0) & (before < NO_NOTE)
        out_of_order = together[..., None] & (ops.arange(KEYS) < before[..., None])
        return ops.log_softmax(ops.where(out_of_order, _IMPOSSIBLE, logits))

    def duration(self, context, step, pitch, remaining):
        """Of the duration bins, then the pointers: for each of NEAR, the RECENT notes' ends."""
        hidden = (
            context[..., 2 * self.head : 3 * self.head]
            + self.head_step(_step_bin(step))[..., self.head : 2 * self.head]
            + self.head_pitch(pitch)[..., : self.head]
            + self.head_remaining(_times(remaining))[..., : self.head]
        )
        logits = self.duration_logits(ops.gelu(hidden))
        pointed = pointed_cells(remaining)
        possible = (pointed >= 1) & (pointed <= encoding.DURATION_CELLS)
        logits = ops.concatenate(
            [logits[..., :DURATION_BINS], ops.where(possible, logits[..., DURATION_BINS:], _IMPOSSIBLE)], axis=-1
        )
        return ops.log_softmax(logits)

    def velocity(self, context, step, pitch, duration, remaining):
        """Of the velocity bins."""
        hidden = (
            context[..., 3 * self.head :]
            + self.head_step(_step_bin(step))[..., 2 * self.head :]
            + self.head_pitch(pitch)[..., self.head :]
            + self.head_duration(_duration_bin(duration))
            + self.head_remaining(_times(remaining))[..., self.head :]
        )
        return ops.log_softmax(self.velocity_logits(ops.gelu(hidden)))

    def nats(self, context, rows):
        """Negative log-likelihood on the grid of each note and field, float32, shape (batch, notes, 4); 0 for pads.

        rows: one more than the contexts, shape (batch, 1 + notes, COLUMNS): the note before the first, then the notes.
        """
        before, rows = rows[:, :-1], rows[:, 1:]
        notes = rows[..., PITCH] < NO_NOTE
        step, duration, velocity = rows[..., STEP], rows[..., DURATION], rows[..., VELOCITY]
        pitch = ops.where(notes, rows[..., PITCH], KEYS - 1)
        remaining = rows[..., 4:]

        step_bin, duration_bin = _step_bin(step), _duration_bin(duration)
        of_step = _pick(self.step(context), step_bin) - ops.take(_STEP_LOG_WIDTHS, step_bin)
        of_pitch = _pick(self.pitch(context, step, before[..., PITCH]), pitch)
        choices = self.duration(context, step, pitch, remaining)
        binned = _pick(choices, duration_bin) - ops.take(_DURATION_LOG_WIDTHS, duration_bin)
        pointed = ops.where(pointed_cells(remaining) == duration[..., None], choices[..., DURATION_BINS:], _IMPOSSIBLE)
        of_duration = ops.logsumexp(ops.concatenate([binned[..., None], pointed], axis=-1), axis=-1)
        of_velocity = _pick(self.velocity(context, step, pitch, duration, remaining), velocity)
        nats = -ops.stack([of_step, of_pitch, of_duration, of_velocity], axis=-1)
        return ops.where(notes[..., None], nats, 0.0)


def pointed_cells(remaining):
    """The duration, in cells, that each pointer stands for: for each of NEAR in turn, the RECENT notes before."""
    return ops.concatenate([remaining + near for near in NEAR], axis=-1)


def save(network: BiLSTM, path: Path) -> None:
    """Write `network` in Keras' own format, with the same bytes whenever its weights are the same.

    Keras stamps its archives with the date; here the archive is packed again without.
    """
    # In float32, whatever it was trained in, and without the number that Keras gives to a second of a name.
    plain = BiLSTM(**network.get_config(), name="bilstm")
    plain.set_weights(network.get_weights())
    kept = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        stamped = Path(folder, "network.keras")
        plain.save(stamped)
        with zipfile.ZipFile(stamped) as old, zipfile.ZipFile(kept, "w", zipfile.ZIP_STORED) as new:
            for name in sorted(old.namelist()):
                content = old.read(name)
                if name == "metadata.json":
                    content = json.dumps({"keras_version": keras.version(), "date_saved": "not recorded"}).encode()
                new.writestr(zipfile.ZipInfo(name), content)
    part = path.with_name(path.name + ".part")
    part.write_bytes(kept.getvalue())
    part.replace(path)


def load(path: Path) -> BiLSTM:
    """Read a network that `save` wrote, in float32. No code in the file is run.

    Raises InputError when there is none or it is of another make.
    """
    if not path.is_file():
        raise InputError(f"{path}: no trained model there; `dvc repro train` makes one, `dvc pull {path}` fetches one")
    try:
        network = keras.saving.load_model(path, compile=False, safe_mode=True)
    except (ValueError, TypeError, KeyError, OSError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: not a model of this version; train it again ({reason})") from None
    if not isinstance(network, BiLSTM):
        raise InputError(
            f"{path}: a Keras model of another kind ({type(network).__name__}); train one with `dvc repro train`"
        )
    return network


def _step_bin(cells):
    return ops.take(encoding.STEP_BIN, cells)


def _duration_bin(cells):
    return ops.take(encoding.DURATION_BIN, cells)


def _times(remaining):
    # Logarithms put ends soon and ends late on one scale; the flags tell an end now from no note at all.
    sounding = ops.cast(remaining >= 0, "float32")
    scaled = ops.log1p(ops.cast(ops.maximum(remaining, 0), "float32")) / float(np.log(encoding.DURATION_CELLS))
    return ops.concatenate([scaled, sounding], axis=-1)


def _pick(log_probabilities, choice):
    return ops.squeeze(ops.take_along_axis(log_probabilities, choice[..., None], axis=-1), axis=-1)

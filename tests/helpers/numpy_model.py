"""The network once more, from its definition, in plain float64 loops: what the fast code is held against."""

import numpy as np
import pandas as pd

from stages.model import history
from stages.representation import grid_encoding
from stages.representation.grid_encoding import DURATION, PITCH, STEP, VELOCITY

RECENT = history.NUM_RECENT


def random_fields(seed: int, notes: int) -> np.ndarray:
    """Notes without sense but in order: within a cell by rising pitch."""
    random = np.random.default_rng(seed)
    onset = np.cumsum(np.where(random.random(notes) < 0.4, 0, random.integers(0, 60, notes)))
    pitch = random.integers(10, 70, notes)
    order = np.lexsort((pitch, onset))
    onset, pitch = onset[order], pitch[order]
    # Half of the notes end with the one before, so that pointers have something to point at.
    duration = random.integers(1, 200, notes)
    for i in range(1, notes):
        if random.random() < 0.5:
            duration[i] = max(1, onset[i - 1] + duration[i - 1] - onset[i])
    step = np.diff(onset, prepend=onset[:1])
    return np.stack([step, pitch, duration, random.integers(0, 32, notes)], axis=1).astype(np.int32)


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _gelu(x):
    # The tanh form, Keras' default. (Hendrycks and Gimpel, 2016)
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def _softmax(logits):
    weights = np.exp(logits - logits.max())
    return weights / weights.sum()


class Reference:
    """The same weights as `network`, one note at a time."""

    def __init__(self, network):
        self.weights = {weight.path: np.asarray(weight, np.float64) for weight in network.weights}
        self.units, self.head = network.units, network.head

    def _w(self, name):
        matches = [value for path, value in self.weights.items() if path.endswith(name)]
        assert len(matches) == 1, (name, list(self.weights))
        return matches[0]

    def lstm(self, name, inputs):
        """Outputs after each note, in the order given."""
        kernel, recurrent, bias = (self._w(f"{name}/{part}") for part in ("kernel", "recurrent_kernel", "bias"))
        h, c, outputs = np.zeros(self.units), np.zeros(self.units), []
        for features in inputs:
            i, f, o, g = np.split(features @ kernel + h @ recurrent + bias, 4)
            c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
            h = _sigmoid(o) * np.tanh(c)
            outputs.append(h)
        return outputs

    def nats(self, fields, gap=None):
        """Nats of each note and field, shape (notes, 4), of a whole piece; filling in if a gap is given."""
        seen = [Seen(fields, t) for t in range(len(fields))]
        # Before the first note there is one that is none: of no pitch, its other fields nought.
        features = [self._absent(), *(self._features(note) for note in seen)]
        past = self.lstm("forward", features[:-1])
        if gap is not None:
            ahead = [self._ahead(note, after) for note, after in zip(seen, [*seen[1:], None], strict=True)]
            future = self.lstm("backward", ahead[::-1])[::-1] + [np.zeros(self.units)] * gap
        result = np.zeros((len(fields), 4))
        for t, note in enumerate(seen):
            room = None
            joined = past[t] @ self._w("from_past/kernel") + self._w("from_past/bias")
            joined += features[t] @ self._w("from_last/kernel")
            factor, shift = np.split(self._w("from_gap/embeddings")[gap or 0], 2)
            joined += shift
            if gap is not None:
                seen_ahead = future[t + gap] @ self._w("from_future/kernel")
                if t + gap < len(fields):
                    seen_ahead += ahead[t + gap] @ self._w("from_next/kernel")
                    room = fields[t : t + gap + 1, STEP].sum()
                    joined += self._room(room) @ self._w("from_room/kernel")
                joined += seen_ahead * (1 + factor)
            context = _gelu(joined) @ self._w("to_heads/kernel") + self._w("to_heads/bias")
            result[t] = self._note(np.split(context, 4), seen[t - 1] if t else None, note, room)
        return result

    def _parts(self, note):
        # The features of a note, in the order of its fields.
        return [
            np.eye(grid_encoding.STEP_BINS)[note.step_bin],
            np.array([np.log(1 + max(left, 0)) / np.log(3001) for left in note.remaining]),
            np.array([float(left >= 0) for left in note.remaining]),
            np.eye(89)[note.pitch],
            np.eye(grid_encoding.DURATION_BINS)[note.duration_bin],
            np.eye(32)[note.velocity],
        ]

    def _features(self, note):
        return np.concatenate(self._parts(note))

    def _ahead(self, note, after):
        # A note of the future, with the step to the one after it.
        parts = [
            np.eye(89)[note.pitch],
            np.eye(grid_encoding.DURATION_BINS)[note.duration_bin],
            np.eye(32)[note.velocity],
        ]
        return np.concatenate([*parts, np.eye(grid_encoding.STEP_BINS)[after.step_bin if after else 0]])

    def _room(self, cells):
        return np.append(
            np.eye(grid_encoding.STEP_BINS)[_bin(min(cells, 1000), grid_encoding.STEP_EDGES)],
            np.log(1 + cells) / np.log(3001),
        )

    def _absent(self):
        parts = [
            np.zeros(grid_encoding.STEP_BINS),
            np.zeros(2 * RECENT),
            np.eye(89)[88],
            np.zeros(grid_encoding.DURATION_BINS),
        ]
        parts[0][0] = parts[3][0] = 1
        return np.concatenate([*parts, np.eye(32)[0]])

    def _note(self, context, before, note, room):
        def logits(name, hidden):
            return _gelu(hidden) @ self._w(f"{name}_logits/kernel") + self._w(f"{name}_logits/bias")

        def left(name):
            return 0 if room is None else self._room(room - note.step) @ self._w(f"{name}_room/kernel")

        parts = self._parts(note)
        rhythm = before.timing_histogram(after=True) if before else np.zeros(2 * grid_encoding.STEP_BINS)
        of_step = _softmax(logits("step", context[STEP] + rhythm @ self._w("step_rhythm/kernel")))
        step = of_step[note.step_bin] / np.diff(grid_encoding.STEP_EDGES)[note.step_bin]

        hidden = context[PITCH] + np.concatenate(parts[:3]) @ self._w("pitch_note/kernel") + left("pitch")
        of_pitch = logits("pitch", hidden + note.keyboard_features() @ self._w("pitch_keys/kernel"))
        if note.step == 0 and before:
            of_pitch[: before.pitch] = -np.inf
        pitch = _softmax(of_pitch)[note.pitch]

        hidden = context[DURATION] + np.concatenate(parts[:4]) @ self._w("duration_note/kernel")
        hidden += note.timing_histogram() @ self._w("duration_rhythm/kernel") + left("duration")
        of_duration = logits("duration", hidden + note.nearby_key_features() @ self._w("duration_keys/kernel"))
        ends = [left + near for near in (-1, 0, 1) for left in note.remaining]
        for place, end in enumerate(ends):
            if not 1 <= end <= 3000:
                of_duration[grid_encoding.DURATION_BINS + place] = -np.inf
        choices = _softmax(of_duration)
        duration = choices[note.duration_bin] / np.diff(grid_encoding.DURATION_EDGES)[note.duration_bin]
        for place, end in enumerate(ends):
            if end == note.duration:
                duration += choices[grid_encoding.DURATION_BINS + place]

        hidden = context[VELOCITY] + np.concatenate(parts[:5]) @ self._w("velocity_note/kernel") + left("velocity")
        of_velocity = logits("velocity", hidden + note.nearby_key_features() @ self._w("velocity_keys/kernel"))
        return -np.log([step, pitch, duration, _softmax(of_velocity)[note.velocity]])


class Seen:
    """Note t of a piece and what can be told of the past at its onset, by looking at every earlier note."""

    def __init__(self, fields, t):
        onset = np.cumsum(fields[:, STEP])
        self.step, self.pitch, self.duration, self.velocity = map(int, fields[t])
        self.step_bin = _bin(self.step, grid_encoding.STEP_EDGES)
        self.duration_bin = _bin(self.duration, grid_encoding.DURATION_EDGES)
        self.remaining, self.elapsed = [], []
        for back in range(1, RECENT + 1):
            there = t - back >= 0
            end = onset[t - back] + fields[t - back, DURATION] - onset[t] if there else -1
            self.remaining.append(max(-1, int(end)))
            self.elapsed.append(min(1000, int(onset[t] - onset[t - back])) if there else -1)
        # For each key its last note before: until its end, since its stroke, its loudness, its length.
        self.keys = [(-1000, 3000, 0, 0)] * 88
        for i in range(t):
            length = int(fields[i, DURATION])
            left = int(np.clip(onset[i] + length - onset[t], -1000, 3000))
            since = min(3000, int(onset[t] - onset[i]))
            self.keys[fields[i, PITCH]] = (left, since, int(fields[i, VELOCITY]) + 1, length)

    def row(self):
        """As network.batches.rows_of has it."""
        return np.concatenate(
            [
                [self.step, self.pitch, self.duration, self.velocity, *self.remaining, *self.elapsed],
                np.array(self.keys).T.ravel(),
            ]
        )

    def timing_histogram(self, after=False):
        ends, struck = np.zeros(grid_encoding.STEP_BINS), np.zeros(grid_encoding.STEP_BINS)
        for left in [self.duration] * after + self.remaining:
            if left > 0:
                ends[_bin(min(left, 1000), grid_encoding.STEP_EDGES)] += 1
        for passed in self.elapsed:
            if passed >= 0:
                struck[_bin(passed, grid_encoding.STEP_EDGES)] += 1
        return np.concatenate([ends, struck])

    def keyboard_features(self):
        return np.array([self._shown(key)[:5] for key in self.keys]).T.ravel()

    def nearby_key_features(self):
        shown = []
        for key in range(self.pitch - 12, self.pitch + 13):
            left, since, loudness, length = self.keys[key] if 0 <= key < 88 else (-1000, 0, 0, 0)
            struck = loudness > 0
            sounds, ends, log_left, short, long = self._shown((left, since, loudness, length))
            shown.append(
                [
                    struck,
                    sounds,
                    ends,
                    log_left,
                    short * struck,
                    long * struck,
                    loudness / 32,
                    np.log(1 + length) / np.log(3001),
                ]
            )
        return np.array(shown, float).T.ravel()

    @staticmethod
    def _shown(key):
        left, since, *_ = key
        log_left = np.log(1 + max(left, 0)) / np.log(3001)
        return [float(left > 0), float(left == 0), log_left, np.exp(-since / 30), np.exp(-since / 300)]


def _bin(cell, edges):
    return next(i for i in range(len(edges) - 1) if edges[i] <= cell < edges[i + 1])


def note_table(rows: list[tuple]) -> pd.DataFrame:
    """A note table from (piece, start, sustained, pitch, velocity), in any order."""
    frame = pd.DataFrame(rows, columns=["piece", "start", "sustained", "pitch", "velocity"])
    frame = frame.astype(
        {"piece": "int32", "start": "float64", "sustained": "float32", "pitch": "uint8", "velocity": "uint8"}
    )
    frame = frame.sort_values(["piece", "start", "pitch"], ignore_index=True)
    step = frame.groupby("piece")["start"].diff().fillna(0).astype("float32")
    return frame.assign(duration=frame["sustained"], step=step)

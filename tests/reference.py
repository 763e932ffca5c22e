"""The network once more, from its definition, in plain float64 loops: what the fast code is held against."""

import numpy as np

from stages.music import encoding
from stages.music.encoding import DURATION, PITCH, STEP, VELOCITY

ABSENT = np.array([0, 88, 0, 0] + [-1] * encoding.RECENT)


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

    def _times(self, remaining):
        scaled = [np.log(1 + max(left, 0)) / np.log(3000) for left in remaining]
        return np.array(scaled + [float(left >= 0) for left in remaining])

    def _read(self, row):
        return np.concatenate(
            [
                self._w("read_step/embeddings")[self._bin(row[STEP], encoding.STEP_EDGES)],
                self._w("read_pitch/embeddings")[row[PITCH]],
                self._w("read_duration/embeddings")[self._bin(max(row[DURATION], 1), encoding.DURATION_EDGES)],
                self._w("read_velocity/embeddings")[row[VELOCITY]],
                self._times(row[4:]),
            ]
        )

    @staticmethod
    def _bin(cell, edges):
        return next(i for i in range(len(edges) - 1) if edges[i] <= cell < edges[i + 1])

    def lstm(self, name, rows):
        """Outputs after each row, in the order given."""
        kernel, recurrent, bias = (
            self._w(f"{name}/lstm_cell/{part}") for part in ("kernel", "recurrent_kernel", "bias")
        )
        h, c, outputs = np.zeros(self.units), np.zeros(self.units), []
        for row in rows:
            i, f, g, o = np.split(self._read(row) @ kernel + h @ recurrent + bias, 4)
            c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
            h = _sigmoid(o) * np.tanh(c)
            outputs.append(h)
        return outputs

    def rows(self, fields):
        onset, rows = np.cumsum(fields[:, STEP]), []
        for t in range(len(fields)):
            left = []
            for back in range(1, encoding.RECENT + 1):
                there = t - back >= 0
                left.append(max(-1, onset[t - back] + fields[t - back, DURATION] - onset[t]) if there else -1)
            rows.append(np.concatenate([fields[t], left]))
        return rows

    def nats(self, fields, gap=None):
        """Nats of each note and field, shape (notes, 4), of a whole piece; filling in if a gap is given."""
        rows = self.rows(fields)
        past = self.lstm("forward", [ABSENT, *rows[:-1]])
        if gap is not None:
            future = self.lstm("backward", rows[::-1])[::-1] + [np.zeros(self.units)] * gap
        result = np.zeros((len(rows), 4))
        for t, row in enumerate(rows):
            joined = past[t] @ self._w("from_past/kernel") + self._w("from_past/bias")
            if gap is not None:
                joined += future[t + gap] @ self._w("from_future/kernel")
            joined += self._w("from_gap/embeddings")[gap or 0]
            context = _gelu(joined) @ self._w("head_trunk/kernel") + self._w("head_trunk/bias")
            result[t] = self._note(context, rows[t - 1] if t else ABSENT, row)
        return result

    def _note(self, context, before, row):
        H = self.head
        step_bin = self._bin(row[STEP], encoding.STEP_EDGES)
        duration_bin = self._bin(row[DURATION], encoding.DURATION_EDGES)
        by_step = np.split(self._w("head_step/embeddings")[step_bin], 3)
        by_pitch = np.split(self._w("head_pitch/embeddings")[row[PITCH]], 2)
        by_times = np.split(self._times(row[4:]) @ self._w("head_remaining/kernel"), 2)
        parts = [context[i * H : (i + 1) * H] for i in range(4)]

        def logits(name, hidden):
            return _gelu(hidden) @ self._w(f"{name}_logits/kernel") + self._w(f"{name}_logits/bias")

        step = _softmax(logits("step", parts[0]))[step_bin] / np.diff(encoding.STEP_EDGES)[step_bin]
        of_pitch = logits("pitch", parts[1] + by_step[0])
        if row[STEP] == 0 and before[PITCH] < 88:
            of_pitch[: before[PITCH]] = -np.inf
        pitch = _softmax(of_pitch)[row[PITCH]]

        of_duration = logits("duration", parts[2] + by_step[1] + by_pitch[0] + by_times[0])
        ends = [left + near for near in (-1, 0, 1) for left in row[4:]]
        for place, end in enumerate(ends):
            if not 1 <= end <= 3000:
                of_duration[encoding.DURATION_BINS + place] = -np.inf
        choices = _softmax(of_duration)
        duration = choices[duration_bin] / np.diff(encoding.DURATION_EDGES)[duration_bin]
        for place, end in enumerate(ends):
            if end == row[DURATION]:
                duration += choices[encoding.DURATION_BINS + place]

        by_duration = self._w("head_duration/embeddings")[duration_bin]
        velocity = _softmax(logits("velocity", parts[3] + by_step[2] + by_pitch[1] + by_duration + by_times[1]))
        return -np.log([step, pitch, duration, velocity[row[VELOCITY]]])

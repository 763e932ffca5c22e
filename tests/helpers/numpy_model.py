"""The network again, from its definition, in plain float64 loops: the reference for the fast code.

It shares no code with stages.model, so that a mistake there cannot hide here.
"""

import numpy as np

from stages.representation import grid_encoding
from stages.representation.grid_encoding import DURATION, PITCH, STEP, VELOCITY

NUM_RECENT = 16
PAD_PITCH = 88
MAX_LOG = np.log(3001)


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _gelu(x):
    # The tanh approximation, which is the default in Keras (Hendrycks and Gimpel, 2016).
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def _softmax(logits):
    weights = np.exp(logits - logits.max())
    return weights / weights.sum()


class ReferenceModel:
    """Compute with the same weights as `network`, one note at a time."""

    def __init__(self, network):
        self.weights = {weight.path: np.asarray(weight, np.float64) for weight in network.weights}
        self.units, self.head = network.lstm_units, network.head_units

    def nll(self, fields, gap=None):
        """Return nats of each note and field of a whole piece, shape (notes, 4), of infill if a gap is given."""
        notes = [ReferenceNote(fields, index) for index in range(len(fields))]
        note_features = [_padding_features(), *(_note_features(note) for note in notes)]
        past = self._lstm("forward_lstm", note_features[:-1])
        future_notes = [
            _future_features(note, following) for note, following in zip(notes, [*notes[1:], None], strict=True)
        ]
        future = self._lstm("backward_lstm", future_notes[::-1])[::-1]
        nll = np.zeros((len(fields), 4))
        for index, note in enumerate(notes):
            joined = past[index] @ self._weight("past_proj/kernel") + self._weight("past_proj/bias")
            joined += note_features[index] @ self._weight("last_note_proj/kernel")
            scale, shift = np.split(self._weight("gap_embedding/embeddings")[gap or 0], 2)
            joined += shift
            time_to_future = None
            if gap is not None and index + gap < len(fields):
                seen = future[index + gap] @ self._weight("future_proj/kernel")
                seen += future_notes[index + gap] @ self._weight("next_note_proj/kernel")
                time_to_future = fields[index : index + gap + 1, STEP].sum()
                joined += seen * (1 + scale) + _time_features(time_to_future) @ self._weight(
                    "time_to_future_proj/kernel"
                )
            hidden = np.split(_gelu(joined) @ self._weight("head_proj/kernel") + self._weight("head_proj/bias"), 4)
            previous = notes[index - 1] if index else None
            nll[index] = -np.log(self._probabilities(hidden, previous, note, time_to_future))
        return nll

    def _weight(self, name):
        matches = [value for path, value in self.weights.items() if f"/{path}".endswith(f"/{name}")]
        assert len(matches) == 1, (name, list(self.weights))
        return matches[0]

    def _lstm(self, name, inputs):
        # The outputs after each note, in the order given.
        kernel, recurrent, bias = (self._weight(f"{name}/{part}") for part in ("kernel", "recurrent_kernel", "bias"))
        output, cell, outputs = np.zeros(self.units), np.zeros(self.units), []
        for features in inputs:
            gates = np.split(features @ kernel + output @ recurrent + bias, 4)
            input_gate, forget_gate, output_gate = map(_sigmoid, gates[:3])
            cell = forget_gate * cell + input_gate * np.tanh(gates[3])
            output = output_gate * np.tanh(cell)
            outputs.append(output)
        return outputs

    def _hidden(self, field, hidden, **inputs):
        for name, features in inputs.items():
            if features is not None:
                hidden = hidden + features @ self._weight(f"{field}_{name}_proj/kernel")
        return _gelu(hidden)

    def _logits(self, field, hidden, **inputs):
        hidden = self._hidden(field, hidden, **inputs)
        return hidden @ self._weight(f"{field}_logits/kernel") + self._weight(f"{field}_logits/bias")

    def _pointer_scores(self, hidden, note):
        query = hidden @ self._weight("pointer_query_proj/kernel")
        scores = []
        for features in note.pointer_features():
            target = features @ self._weight("pointer_target_proj/kernel") + self._weight("pointer_target_proj/bias")
            scores.append(_gelu(target + query) @ self._weight("pointer_scores/kernel"))
        return np.array(scores).T.ravel()

    def _probabilities(self, hidden, previous, note, time_to_future):
        # The probability of each field of a note.
        time_left = None if time_to_future is None else _time_features(time_to_future - note.step)
        return [
            self._step_probability(hidden[STEP], previous, note),
            self._pitch_probability(hidden[PITCH], previous, note, time_left),
            self._duration_probability(hidden[DURATION], note, time_left),
            self._velocity_probability(hidden[VELOCITY], note, time_left),
        ]

    def _step_probability(self, hidden, previous, note):
        timing = previous.next_timing_histogram() if previous else None
        ends = previous.shared_ends_features() if previous else None
        logits = self._logits("step", hidden, timing=timing, shared_ends=ends)
        return _softmax(logits)[note.step_bin] / np.diff(grid_encoding.STEP_EDGES)[note.step_bin]

    def _pitch_probability(self, hidden, previous, note, time_left):
        known = np.concatenate(_note_feature_groups(note)[:3])
        inputs = {
            "note": known,
            "keyboard": note.keyboard_features(),
            "nearby_keys": note.nearby_key_features(previous.pitch if previous else 87, 24),
            "time_to_future": time_left,
        }
        logits = self._logits("pitch", hidden, **inputs)
        interval_logits = self._hidden("pitch", hidden, **inputs) @ self._weight("interval_logits/kernel")
        for interval, logit in enumerate(interval_logits, start=-36):
            if previous and 0 <= previous.pitch + interval < 88:
                logits[previous.pitch + interval] += logit
        if note.step == 0 and previous:
            logits[: previous.pitch] = -np.inf
        return _softmax(logits)[note.pitch]

    def _duration_probability(self, hidden, note, time_left):
        known = np.concatenate(_note_feature_groups(note)[:4])
        timing, keys = note.timing_histogram(), note.nearby_key_features(note.pitch, 12)
        ends = note.shared_ends_features()
        inputs = {
            "note": known,
            "timing": timing,
            "nearby_keys": keys,
            "time_to_future": time_left,
            "shared_ends": ends,
        }
        logits = self._logits("duration", hidden, **inputs)
        scores = self._pointer_scores(self._hidden("duration", hidden, **inputs), note)
        logits[grid_encoding.DURATION_BINS :] += scores
        pointed = [remaining + offset for offset in (-1, 0, 1) for remaining in note.remaining]
        for pointer, duration in enumerate(pointed, start=grid_encoding.DURATION_BINS):
            if not 1 <= duration <= 3000:
                logits[pointer] = -np.inf
        choices = _softmax(logits)
        probability = choices[note.duration_bin] / np.diff(grid_encoding.DURATION_EDGES)[note.duration_bin]
        for pointer, duration in enumerate(pointed, start=grid_encoding.DURATION_BINS):
            if duration == note.duration:
                probability += choices[pointer]
        return probability

    def _velocity_probability(self, hidden, note, time_left):
        known = np.concatenate(_note_feature_groups(note)[:5])
        keys = note.nearby_key_features(note.pitch, 12)
        inputs = {"note": known, "nearby_keys": keys, "time_to_future": time_left}
        return _softmax(self._logits("velocity", hidden, **inputs))[note.velocity]


def _one_hot(size, index):
    return np.eye(size)[index]


def _scaled_log(frames):
    return np.log(1 + max(frames, 0)) / MAX_LOG


def _note_feature_groups(note):
    # The features of a note in the order of its fields; those of the past come after the step.
    return [
        _one_hot(grid_encoding.STEP_BINS, note.step_bin),
        np.array([_scaled_log(remaining) for remaining in note.remaining]),
        np.array([float(remaining >= 0) for remaining in note.remaining]),
        np.concatenate([_one_hot(89, note.pitch), *(_interval(note.pitch, pitch) for pitch in note.previous_pitches)]),
        _one_hot(grid_encoding.DURATION_BINS, note.duration_bin),
        _one_hot(32, note.velocity),
    ]


def _interval(pitch, previous_pitch):
    # One-hot, from -36 to 36 semitones.
    return _one_hot(73, int(np.clip(pitch - previous_pitch, -36, 36)) + 36) if previous_pitch < 88 else np.zeros(73)


def _note_features(note):
    return np.concatenate(_note_feature_groups(note))


def _padding_features():
    # Before the first note: no pitch, and all other fields zero.
    groups = [
        _one_hot(grid_encoding.STEP_BINS, 0),
        np.zeros(2 * NUM_RECENT),
        _one_hot(89, PAD_PITCH),
        np.zeros(2 * 73),
        _one_hot(grid_encoding.DURATION_BINS, 0),
        _one_hot(32, 0),
    ]
    return np.concatenate(groups)


def _future_features(note, following):
    # A note of the future, with the step to the one that follows it.
    groups = [
        _one_hot(89, note.pitch),
        _one_hot(grid_encoding.DURATION_BINS, note.duration_bin),
        _one_hot(32, note.velocity),
        _one_hot(grid_encoding.STEP_BINS, following.step_bin if following else 0),
    ]
    return np.concatenate(groups)


def _time_features(frames):
    step_bin = _bin(min(frames, 1000), grid_encoding.STEP_EDGES)
    return np.append(_one_hot(grid_encoding.STEP_BINS, step_bin), _scaled_log(frames))


class ReferenceNote:
    """Describe one note of a piece and the past at its onset, by looking at every earlier note."""

    def __init__(self, fields, index):
        onset = np.cumsum(fields[:, STEP])
        self.step, self.pitch, self.duration, self.velocity = map(int, fields[index])
        self.step_bin = _bin(self.step, grid_encoding.STEP_EDGES)
        self.duration_bin = _bin(self.duration, grid_encoding.DURATION_EDGES)
        self.remaining, self.elapsed = [], []
        for distance in range(1, NUM_RECENT + 1):
            exists = index - distance >= 0
            end = onset[index - distance] + fields[index - distance, DURATION] - onset[index] if exists else -1
            self.remaining.append(max(-1, int(end)))
            self.elapsed.append(min(1000, int(onset[index] - onset[index - distance])) if exists else -1)
        self.previous_pitches = [
            int(fields[index - distance, PITCH]) if index >= distance else PAD_PITCH for distance in (1, 2)
        ]
        # For each key, of its last earlier note: frames until its end and since its onset, velocity + 1, duration.
        self.keys = [(-1000, 3000, 0, 0)] * 88
        for earlier in range(index):
            duration = int(fields[earlier, DURATION])
            frames_left = int(np.clip(onset[earlier] + duration - onset[index], -1000, 3000))
            frames_since = min(3000, int(onset[index] - onset[earlier]))
            velocity = int(fields[earlier, VELOCITY]) + 1
            self.keys[fields[earlier, PITCH]] = (frames_left, frames_since, velocity, duration)

    def row(self):
        """Return the row of the note, as history.note_rows has it."""
        return np.concatenate(
            [
                [self.step, self.pitch, self.duration, self.velocity, *self.remaining, *self.elapsed],
                self.previous_pitches,
                np.array(self.keys).T.ravel(),
            ]
        )

    def timing_histogram(self):
        return self._timing_histogram(self.remaining)

    def next_timing_histogram(self):
        return self._timing_histogram([self.duration, *self.remaining])

    def _timing_histogram(self, frames_to_end):
        ends, onsets = np.zeros(grid_encoding.STEP_BINS), np.zeros(grid_encoding.STEP_BINS)
        for frames in frames_to_end:
            if frames > 0:
                ends[_bin(min(frames, 1000), grid_encoding.STEP_EDGES)] += 1
        for frames in self.elapsed:
            if frames >= 0:
                onsets[_bin(frames, grid_encoding.STEP_EDGES)] += 1
        return np.concatenate([ends, onsets])

    def shared_ends_features(self):
        ended, sounding = np.zeros(grid_encoding.STEP_BINS), np.zeros(grid_encoding.STEP_BINS)
        for frames_left, *_ in self.keys:
            if -1000 < frames_left <= 0:
                ended[_bin(-frames_left, grid_encoding.STEP_EDGES)] += 0.5
            elif frames_left > 0:
                sounding[_bin(min(frames_left, 1000), grid_encoding.STEP_EDGES)] += 0.5
        counts = [self._count_shared_ends(position) for position in range(NUM_RECENT)]
        return np.concatenate([ended, sounding, *zip(*counts, strict=True)])

    def _count_shared_ends(self, position):
        # A quarter of the number of recent notes that end with the one at `position`, and later.
        own = self.remaining[position]
        if own < 1:
            return 0.0, 0.0
        same = sum(other >= 1 and abs(other - own) <= 1 for other in self.remaining)
        return same / 4, sum(other > own + 1 for other in self.remaining) / 4

    def pointer_features(self):
        rows = []
        for position, (remaining, elapsed) in enumerate(zip(self.remaining, self.elapsed, strict=True)):
            logs = [_scaled_log(remaining), _scaled_log(elapsed), _scaled_log(remaining + elapsed)]
            near = min(max(remaining, 0), 30) / 30
            own = [float(remaining >= 1), *logs, *self._count_shared_ends(position), float(elapsed == 0), near]
            rows.append(np.concatenate([own, _one_hot(NUM_RECENT, position)]))
        return np.array(rows)

    def keyboard_features(self):
        return np.array(
            [_key_features(frames_left, frames_since) for frames_left, frames_since, *_ in self.keys]
        ).T.ravel()

    def nearby_key_features(self, pitch, semitones):
        features = []
        for key in range(pitch - semitones, pitch + semitones + 1):
            frames_left, frames_since, velocity, duration = self.keys[key] if 0 <= key < 88 else (-1000, 0, 0, 0)
            played = float(velocity > 0)
            sounds, ends, log_left, short_trace, long_trace = _key_features(frames_left, frames_since)
            traces = [short_trace * played, long_trace * played]
            features.append([played, sounds, ends, log_left, *traces, velocity / 32, _scaled_log(duration)])
        return np.array(features).T.ravel()


def _key_features(frames_left, frames_since):
    traces = [np.exp(-frames_since / 30), np.exp(-frames_since / 300)]
    return [float(frames_left > 0), float(frames_left == 0), _scaled_log(frames_left), *traces]


def _bin(frames, edges):
    return next(i for i in range(len(edges) - 1) if edges[i] <= frames < edges[i + 1])

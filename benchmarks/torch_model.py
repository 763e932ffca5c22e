"""The network of stages/model/bilstm.py in PyTorch, written as is usual there, to compare the speed of training.

    python -m benchmarks.torch_model '{"lstm_units": 384, ...}' [--weights weights.npz] [--muon]

benchmarks/training.py starts this as a process. The argument is the section `train` of params.yaml as JSON. For each
line of standard input, which is a number of updates, it trains for as many updates and prints the seconds that they
took. With --weights it prints the loss of the first batch with these weights and ends, so that training.py can check
whether both networks are the same function.

Equal: the batches, made by the same code within the measured time; all input features, computed from the integers of
a batch in every update; sizes, heads, the mixture of bins and pointers, and the loss; stateful batching; dropout;
bfloat16 where ours has it, and single precision for logits, losses and weights; gradient clipping.

Different: `nn.LSTM` as it is in PyTorch, with a second bias, and fused AdamW for all weights. That is less work than
ours: Muon takes 15 products as large as each hidden matrix. With --muon, PyTorch's own Muon trains the hidden matrices;
it takes the four gates of an LSTM as one matrix, which is a quarter less work than gate by gate. Execution is eager,
PyTorch's default.
"""

import argparse
import json
import sys
import time
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks.training_batches import random_batches
from stages.model.history import (
    ELAPSED,
    FRAMES_LEFT,
    FRAMES_SINCE,
    KEY_FEATURES,
    KEYBOARD,
    LAST_DURATION,
    LAST_VELOCITY,
    MAX_FRAMES_AGO,
    NUM_PREVIOUS_PITCHES,
    NUM_RECENT,
    PAD_PITCH,
    PREVIOUS_PITCHES,
    REMAINING,
)
from stages.params.train import TrainParams
from stages.representation import grid_encoding
from stages.representation.grid_encoding import (
    DURATION,
    DURATION_BINS,
    NUM_KEYS,
    PITCH,
    STEP,
    STEP_BINS,
    VELOCITY,
    VELOCITY_BINS,
)

POINTER_OFFSETS = (-1, 0, 1)
NUM_POINTERS = NUM_RECENT * len(POINTER_OFFSETS)
POINTER_UNITS, POINTER_SIZE = 32, 8 + NUM_RECENT
NEARBY_SEMITONES, PITCH_NEARBY_SEMITONES, MAX_INTERVAL = 12, 24, 36
SIZE_BEFORE_PITCH = STEP_BINS + 2 * NUM_RECENT
NUM_INTERVALS = 2 * MAX_INTERVAL + 1
SIZE_BEFORE_DURATION = SIZE_BEFORE_PITCH + NUM_KEYS + 1 + NUM_PREVIOUS_PITCHES * NUM_INTERVALS
SIZE_BEFORE_VELOCITY = SIZE_BEFORE_DURATION + DURATION_BINS
NOTE_SIZE = SIZE_BEFORE_VELOCITY + VELOCITY_BINS
FUTURE_NOTE_SIZE = NUM_KEYS + 1 + DURATION_BINS + VELOCITY_BINS + STEP_BINS
NEARBY_KEYS_SIZE, PITCH_NEARBY_KEYS_SIZE = 8 * (2 * NEARBY_SEMITONES + 1), 8 * (2 * PITCH_NEARBY_SEMITONES + 1)
SHARED_ENDS_SIZE = 2 * STEP_BINS + 2 * NUM_RECENT
TIMING_SIZE, TIME_SIZE, KEYBOARD_SIZE = 2 * STEP_BINS, STEP_BINS + 1, 5 * NUM_KEYS
HEAD_INPUT_SIZES = {
    "step_timing_proj": TIMING_SIZE,
    "step_shared_ends_proj": SHARED_ENDS_SIZE,
    "pitch_note_proj": SIZE_BEFORE_PITCH,
    "pitch_keyboard_proj": KEYBOARD_SIZE,
    "pitch_nearby_keys_proj": PITCH_NEARBY_KEYS_SIZE,
    "pitch_time_to_future_proj": TIME_SIZE,
    "duration_note_proj": SIZE_BEFORE_DURATION,
    "duration_timing_proj": TIMING_SIZE,
    "duration_nearby_keys_proj": NEARBY_KEYS_SIZE,
    "duration_shared_ends_proj": SHARED_ENDS_SIZE,
    "duration_time_to_future_proj": TIME_SIZE,
    "velocity_note_proj": SIZE_BEFORE_VELOCITY,
    "velocity_nearby_keys_proj": NEARBY_KEYS_SIZE,
    "velocity_time_to_future_proj": TIME_SIZE,
}
NUM_CHOICES = {
    "step": STEP_BINS,
    "pitch": NUM_KEYS,
    "duration": DURATION_BINS + NUM_POINTERS,
    "velocity": VELOCITY_BINS,
}
MASKED_LOGIT = -1e9
LEARNING_RATE = 1e-4

STEP_BIN, DURATION_BIN = (
    torch.from_numpy(bins).long() for bins in (grid_encoding.STEP_BIN, grid_encoding.DURATION_BIN)
)
STEP_LOG_WIDTHS, DURATION_LOG_WIDTHS = (
    torch.from_numpy(widths).log().float() for widths in (grid_encoding.STEP_WIDTHS, grid_encoding.DURATION_WIDTHS)
)


@dataclass(frozen=True)
class HeadFeatures:
    """Input features of the heads, each of shape (batch, notes, features); pointers (batch, notes, NUM_RECENT, ...)."""

    last_timing: torch.Tensor
    last_shared_ends: torch.Tensor
    note: torch.Tensor
    keyboard: torch.Tensor
    nearby_last: torch.Tensor
    nearby_keys: torch.Tensor
    timing: torch.Tensor
    shared_ends: torch.Tensor
    pointers: torch.Tensor

    def first_rows(self, count: int) -> "HeadFeatures":
        """Return the features of the first `count` batch rows."""
        return HeadFeatures(*(getattr(self, field.name)[:count] for field in fields(self)))


class TorchBiLSTM(nn.Module):
    """Predict piano notes from the past, or from the past and a future, as `stages.model.bilstm.BiLSTM` does.

    Layers have the names that they have there, which are those of the weights.
    """

    def __init__(self, units: int, trunk: int, head: int, max_gap_notes: int) -> None:
        super().__init__()
        self.forward_lstm = nn.LSTM(NOTE_SIZE, units, batch_first=True)
        self.backward_lstm = nn.LSTM(FUTURE_NOTE_SIZE, units, batch_first=True)
        self.past_proj = nn.Linear(units, trunk)
        self.last_note_proj = nn.Linear(NOTE_SIZE, trunk, bias=False)
        self.future_proj = nn.Linear(units, trunk, bias=False)
        self.gap_embedding = nn.Embedding(max_gap_notes + 1, 2 * trunk)
        self.next_note_proj = nn.Linear(FUTURE_NOTE_SIZE, trunk, bias=False)
        self.time_to_future_proj = nn.Linear(TIME_SIZE, trunk, bias=False)
        self.head_proj = nn.Linear(trunk, 4 * head)
        self.projections = nn.ModuleDict(
            {name: nn.Linear(size, head, bias=False) for name, size in HEAD_INPUT_SIZES.items()}
        )
        self.logits = nn.ModuleDict({name: nn.Linear(head, size) for name, size in NUM_CHOICES.items()})
        self.interval_logits = nn.Linear(head, NUM_INTERVALS, bias=False)
        self.pointer_target_proj = nn.Linear(POINTER_SIZE, POINTER_UNITS)
        self.pointer_query_proj = nn.Linear(head, POINTER_UNITS, bias=False)
        self.pointer_scores = nn.Linear(POINTER_UNITS, len(POINTER_OFFSETS), bias=False)

    def forward(self, rows, gap, state, dropout: float):
        """Return the loss of a batch, in nats per note, and the state of the forward LSTM after it.

        Args:
            rows: note rows, integers, shape (batch, 1 + seq_len + largest gap, ROW_SIZE).
            gap: integers, shape (infill rows,); the first batch rows are the infill rows.
            state: the state of the forward LSTM, two arrays of shape (1, batch, units).
            dropout: fraction of the LSTMs' outputs that is dropped.
        """
        num_infill, seq_len = len(gap), rows.shape[1] - 1 - (self.gap_embedding.num_embeddings - 1)
        window = rows[:, : seq_len + 1]
        last, notes = window[:, :-1], window[:, 1:]
        features = _head_features(last, notes)
        last_features = _note_features(last)
        past, state = self.forward_lstm(last_features, state)
        past = past * _dropout_mask(past, dropout)
        joined = self.past_proj(past) + self.last_note_proj(last_features)
        _, shift = self.gap_embedding.weight[0].chunk(2)
        continuation_nll = self._nll(joined + shift, notes, last, features, None)

        time_to_future, future = self._future_context(rows[:num_infill], gap, seq_len, dropout)
        joined = joined[:num_infill] + future
        infill_nll = self._nll(
            joined,
            notes[:num_infill],
            last[:num_infill],
            features.first_rows(num_infill),
            time_to_future,
        )
        is_note = notes[..., PITCH] < PAD_PITCH
        num_notes = (is_note.sum() + is_note[:num_infill].sum()).clamp(min=1)
        return (continuation_nll + infill_nll) / num_notes, state

    def _future_context(self, rows, gap, seq_len: int, dropout: float):
        # The time to the future of each note, -1 where there is none, and what the trunk adds for the future.
        outputs, next_notes = self._read_future(rows)
        outputs = outputs * _dropout_mask(outputs, dropout)
        index = torch.arange(seq_len) + 1 + gap[:, None]
        batch_row = torch.arange(len(rows))[:, None]
        ended = rows[batch_row, index, PITCH] == PAD_PITCH
        onset = rows[..., STEP].cumsum(1)
        time_to_future = torch.where(ended, -1, onset[batch_row, index] - onset[:, :seq_len])
        scale, shift = self.gap_embedding(gap)[:, None].chunk(2, dim=-1)
        next_note = next_notes[batch_row, index].masked_fill(ended[..., None], 0.0)
        future = self.future_proj(outputs[batch_row, index]) + self.next_note_proj(next_note)
        return time_to_future, shift + future * (1 + scale) + self.time_to_future_proj(_time_features(time_to_future))

    def _read_future(self, rows):
        # Reverses each batch row up to its last note, so that padding comes last, where its outputs are not used.
        is_note_count = (rows[..., PITCH] != PAD_PITCH) * torch.arange(1, rows.shape[1] + 1)
        length = is_note_count.amax(1, keepdim=True)
        index = torch.arange(rows.shape[1])
        index = torch.where(index < length, length - 1 - index, index)
        batch_row = torch.arange(len(rows))[:, None]
        next_step = functional.pad(rows[:, 1:, STEP], (0, 1))
        notes = torch.cat(
            [
                _one_hot(rows[..., PITCH], NUM_KEYS + 1),
                _one_hot(DURATION_BIN[rows[..., DURATION]], DURATION_BINS),
                _one_hot(rows[..., VELOCITY], VELOCITY_BINS),
                _one_hot(STEP_BIN[next_step], STEP_BINS),
            ],
            dim=-1,
        )
        outputs, _ = self.backward_lstm(notes[batch_row, index])
        return outputs[batch_row, index] * (rows[..., PITCH, None] != PAD_PITCH), notes

    def _nll(self, joined, notes, last, features: HeadFeatures, time_to_future):
        # The sum over all notes and fields.
        hidden = {
            field: functional.gelu(values, approximate="tanh")
            for field, values in self._head_inputs(joined, notes, features, time_to_future).items()
        }
        targets = (
            self.pointer_target_proj(features.pointers) + self.pointer_query_proj(hidden["duration"])[..., None, :]
        )
        with torch.autocast("cpu", enabled=False):
            step, pitch, duration, velocity = (self.logits[field](values.float()) for field, values in hidden.items())
            pitch = pitch + _logits_of_keys(self.interval_logits(hidden["pitch"].float()), last[..., PITCH])
            pointer_scores = self.pointer_scores(functional.gelu(targets, approximate="tanh").float())
            duration = duration + functional.pad(pointer_scores.mT.flatten(-2), (DURATION_BINS, 0))
            log_probs = (
                _log_prob_of(step.log_softmax(-1) - STEP_LOG_WIDTHS, STEP_BIN[notes[..., STEP]])
                + _pitch_log_prob(pitch, notes, last)
                + _duration_log_prob(duration, notes)
                + _log_prob_of(velocity.log_softmax(-1), notes[..., VELOCITY])
            )
            return -log_probs.masked_fill(notes[..., PITCH] == PAD_PITCH, 0.0).sum()

    def _head_inputs(self, joined, notes, features: HeadFeatures, time_to_future) -> dict[str, torch.Tensor]:
        step, pitch, duration, velocity = self.head_proj(functional.gelu(joined, approximate="tanh")).chunk(4, dim=-1)
        project, note = self.projections, features.note
        step = step + project["step_timing_proj"](features.last_timing)
        step = step + project["step_shared_ends_proj"](features.last_shared_ends)
        pitch = pitch + project["pitch_note_proj"](note[..., :SIZE_BEFORE_PITCH])
        pitch = pitch + project["pitch_keyboard_proj"](features.keyboard)
        pitch = pitch + project["pitch_nearby_keys_proj"](features.nearby_last)
        duration = duration + project["duration_note_proj"](note[..., :SIZE_BEFORE_DURATION])
        duration = duration + project["duration_timing_proj"](features.timing)
        duration = duration + project["duration_nearby_keys_proj"](features.nearby_keys)
        duration = duration + project["duration_shared_ends_proj"](features.shared_ends)
        velocity = velocity + project["velocity_note_proj"](note[..., :SIZE_BEFORE_VELOCITY])
        velocity = velocity + project["velocity_nearby_keys_proj"](features.nearby_keys)
        if time_to_future is not None:
            remaining = (time_to_future - notes[..., STEP]).clamp(min=0)
            time = _time_features(torch.where(time_to_future < 0, -1, remaining))
            pitch = pitch + project["pitch_time_to_future_proj"](time)
            duration = duration + project["duration_time_to_future_proj"](time)
            velocity = velocity + project["velocity_time_to_future_proj"](time)
        return {"step": step, "pitch": pitch, "duration": duration, "velocity": velocity}


def _logits_of_keys(interval_logits, previous_pitch):
    # The logit of each key is that of its interval from the previous note; zero beyond MAX_INTERVAL and without one.
    interval = torch.arange(NUM_KEYS) - previous_pitch[..., None]
    possible = (interval.abs() <= MAX_INTERVAL) & (previous_pitch < PAD_PITCH)[..., None]
    index = (interval + MAX_INTERVAL).clamp(0, 2 * MAX_INTERVAL)
    return interval_logits.gather(-1, index).masked_fill(~possible, 0.0)


def _pitch_log_prob(logits, notes, last):
    # After a step of zero, keys below the previous one are impossible.
    previous = last[..., PITCH, None]
    below = (notes[..., STEP, None] == 0) & (previous < PAD_PITCH) & (torch.arange(NUM_KEYS) < previous)
    log_probs = logits.masked_fill(below, MASKED_LOGIT).log_softmax(-1)
    return _log_prob_of(log_probs, notes[..., PITCH].clamp(max=NUM_KEYS - 1))


def _duration_log_prob(logits, notes):
    # A duration may be reached by its bin and by several pointers.
    pointed = torch.cat([notes[..., REMAINING] + offset for offset in POINTER_OFFSETS], dim=-1)
    sizes = [DURATION_BINS, pointed.shape[-1]]
    bins, pointers = logits.split(sizes, dim=-1)
    possible = (pointed >= 1) & (pointed <= grid_encoding.DURATION_FRAMES)
    log_probs = torch.cat([bins, pointers.masked_fill(~possible, MASKED_LOGIT)], dim=-1).log_softmax(-1)
    bins, pointers = log_probs.split(sizes, dim=-1)
    by_bin = _log_prob_of(bins - DURATION_LOG_WIDTHS, DURATION_BIN[notes[..., DURATION]])
    by_pointer = pointers.masked_fill(pointed != notes[..., DURATION, None], MASKED_LOGIT)
    return torch.cat([by_bin[..., None], by_pointer], dim=-1).logsumexp(-1)


def _head_features(last, notes) -> HeadFeatures:
    keys = notes[..., KEYBOARD].unflatten(-1, (KEY_FEATURES, NUM_KEYS))
    keyboard = [*_sound_features(keys[..., FRAMES_LEFT, :]), *_onset_traces(keys[..., FRAMES_SINCE, :].float())]
    return HeadFeatures(
        last_timing=_timing_histogram(last, torch.cat([last[..., DURATION, None], last[..., REMAINING]], dim=-1)),
        last_shared_ends=_shared_ends_features(last),
        note=_note_features(notes),
        keyboard=torch.cat(keyboard, dim=-1),
        nearby_last=_nearby_key_features(keys, last[..., PITCH], PITCH_NEARBY_SEMITONES),
        nearby_keys=_nearby_key_features(keys, notes[..., PITCH], NEARBY_SEMITONES),
        timing=_timing_histogram(notes, notes[..., REMAINING]),
        shared_ends=_shared_ends_features(notes),
        pointers=_pointer_features(notes),
    )


def _nearby_key_features(keys, pitch, semitones: int):
    padded = functional.pad(keys, (semitones, semitones), value=-MAX_FRAMES_AGO)
    index = pitch[..., None].clamp(max=NUM_KEYS - 1) + torch.arange(2 * semitones + 1)
    nearby = padded.gather(-1, index[..., None, :].expand(*index.shape[:-1], KEY_FEATURES, -1))
    left, since, velocity, duration = (
        nearby[..., feature, :].float() for feature in (FRAMES_LEFT, FRAMES_SINCE, LAST_VELOCITY, LAST_DURATION)
    )
    played = (velocity > 0).float()
    features = [played, *_sound_features(left), *(played * trace for trace in _onset_traces(since))]
    return torch.cat([*features, played * velocity / VELOCITY_BINS, _scaled_log(duration)], dim=-1)


def _shared_ends_features(rows):
    frames_left = rows[..., KEYBOARD].unflatten(-1, (KEY_FEATURES, NUM_KEYS))[..., FRAMES_LEFT, :]
    ended = _histogram(-frames_left, (frames_left <= 0) & (frames_left > -MAX_FRAMES_AGO))
    return torch.cat([ended / 2, _histogram(frames_left, frames_left > 0) / 2, *_count_shared_ends(rows)], dim=-1)


def _pointer_features(rows):
    remaining, elapsed = rows[..., REMAINING], rows[..., ELAPSED]
    features = [
        (remaining >= 1).float(),
        *(_scaled_log(frames) for frames in (remaining, elapsed, remaining + elapsed)),
        *_count_shared_ends(rows),
        (elapsed == 0).float(),
        remaining.clamp(0, 30) / 30,
    ]
    position = torch.eye(NUM_RECENT).expand(*remaining.shape, NUM_RECENT)
    return torch.cat([torch.stack(features, dim=-1), position], dim=-1)


def _count_shared_ends(rows):
    # For each recent note that sounds, a quarter of the number of those that end with it, and of those that end later.
    remaining = rows[..., REMAINING]
    both_sound = (remaining[..., None, :] >= 1) & (remaining[..., None] >= 1)
    later_by = remaining[..., None, :] - remaining[..., None]
    return [(both_sound & chosen).sum(-1) / 4 for chosen in (later_by.abs() <= 1, later_by > 1)]


def _sound_features(frames_left):
    return (frames_left > 0).float(), (frames_left == 0).float(), _scaled_log(frames_left)


def _onset_traces(frames_since):
    return torch.exp(-frames_since / 30), torch.exp(-frames_since / 300)


def _note_features(rows):
    return torch.cat(
        [
            _one_hot(STEP_BIN[rows[..., STEP]], STEP_BINS),
            _scaled_log(rows[..., REMAINING]),
            (rows[..., REMAINING] >= 0).float(),
            _one_hot(rows[..., PITCH], NUM_KEYS + 1),
            _interval_features(rows),
            _one_hot(DURATION_BIN[rows[..., DURATION]], DURATION_BINS),
            _one_hot(rows[..., VELOCITY], VELOCITY_BINS),
        ],
        dim=-1,
    )


def _interval_features(rows):
    pitch, previous = rows[..., PITCH, None], rows[..., PREVIOUS_PITCHES]
    interval = (pitch - previous).clamp(-MAX_INTERVAL, MAX_INTERVAL) + MAX_INTERVAL
    both = (pitch < PAD_PITCH) & (previous < PAD_PITCH)
    return (_one_hot(interval, NUM_INTERVALS) * both[..., None]).flatten(-2)


def _timing_histogram(rows, ends):
    elapsed, is_note = rows[..., ELAPSED], rows[..., PITCH, None] < PAD_PITCH
    return torch.cat([_histogram(ends, is_note & (ends > 0)), _histogram(elapsed, is_note & (elapsed >= 0))], dim=-1)


def _time_features(frames):
    bins = STEP_BIN[frames.clamp(0, grid_encoding.STEP_FRAMES - 1)]
    return torch.cat([_one_hot(bins, STEP_BINS) * (frames >= 0)[..., None], _scaled_log(frames)[..., None]], dim=-1)


def _one_hot(indices, size: int):
    return torch.zeros(*indices.shape, size).scatter_(-1, indices[..., None], 1.0)


def _histogram(frames, counted):
    bins = STEP_BIN[frames.clamp(0, grid_encoding.STEP_FRAMES - 1)]
    return torch.zeros(*frames.shape[:-1], STEP_BINS).scatter_add_(-1, bins, counted.float())


def _scaled_log(frames):
    return torch.log1p(frames.clamp(min=0).float()) / float(np.log1p(grid_encoding.DURATION_FRAMES))


def _log_prob_of(log_probs, choice):
    return log_probs.gather(-1, choice[..., None]).squeeze(-1)


def _dropout_mask(outputs, dropout: float):
    # The same outputs of a batch row for all notes of a window.
    return functional.dropout(torch.ones(len(outputs), 1, outputs.shape[-1]), dropout)


def load_weights(model: TorchBiLSTM, path: str) -> None:
    """Set the weights from a file of the Keras weights by their paths."""
    weights = dict(np.load(path))
    for name, lstm in {"forward_lstm": model.forward_lstm, "backward_lstm": model.backward_lstm}.items():
        _set(lstm.weight_ih_l0, _reorder_gates(weights.pop(f"{name}/kernel")))
        _set(lstm.weight_hh_l0, _reorder_gates(weights.pop(f"{name}/recurrent_kernel")))
        _set(lstm.bias_ih_l0, _reorder_gates(weights.pop(f"{name}/bias")))
        lstm.bias_hh_l0.data.zero_()
    _set(model.gap_embedding.weight, weights.pop("gap_embedding/embeddings"))
    for path, value in weights.items():
        name, kind = path.split("/")
        if name.removesuffix("_logits") in NUM_CHOICES:
            layer = model.logits[name.removesuffix("_logits")]
        else:
            layer = model.projections[name] if name in model.projections else getattr(model, name)
        _set(layer.weight if kind == "kernel" else layer.bias, value.T)


def _set(parameter, value: np.ndarray) -> None:
    parameter.data.copy_(torch.from_numpy(np.ascontiguousarray(value)))


def _reorder_gates(value: np.ndarray) -> np.ndarray:
    # Ours are in the order input, forget, output, candidate; PyTorch's in the order input, forget, candidate, output.
    input_gate, forget_gate, output_gate, candidate = np.split(value, 4, axis=-1)
    return np.concatenate([input_gate, forget_gate, candidate, output_gate], axis=-1).T


def build_optimizers(model: TorchBiLSTM, muon: bool, weight_decay: float) -> list[torch.optim.Optimizer]:
    """Return AdamW for all weights; or Muon for the hidden matrices and AdamW for the others."""
    hidden = [model.forward_lstm.weight_hh_l0, model.backward_lstm.weight_hh_l0]
    hidden += [layer.weight for layer in (model.past_proj, model.future_proj, model.head_proj)]
    muon_ids = {id(weight) for weight in hidden if muon}
    others = [weight for weight in model.parameters() if id(weight) not in muon_ids]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(others, LEARNING_RATE, weight_decay=weight_decay, fused=True)
    ]
    if muon:
        optimizers.append(torch.optim.Muon(hidden, LEARNING_RATE, weight_decay=weight_decay))
    return optimizers


class Trainer:
    """Train a network on random batches, with the LSTM state carried from batch to batch."""

    def __init__(self, model: TorchBiLSTM, train: TrainParams, muon: bool) -> None:
        self.model, self.train_params = model, train
        self.batches = random_batches(train)
        self.optimizers = build_optimizers(model, muon, train.weight_decay)
        self.lstm_state = tuple(torch.zeros(1, train.batch_size, train.lstm_units) for _ in range(2))

    def loss(self, dropout: float):
        """Return the loss of the next batch."""
        batch = next(self.batches)
        rows, gap = torch.from_numpy(batch["rows"]).long(), torch.from_numpy(batch["gap"]).long()
        kept = ~torch.from_numpy(batch["reset"])[None, :, None]
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.train_params.precision == "bfloat16"):
            loss, state = self.model(rows, gap, tuple(part * kept for part in self.lstm_state), dropout)
        self.lstm_state = tuple(part.detach().float() for part in state)
        return loss

    def update(self) -> None:
        """Do one update of the weights."""
        self.model.zero_grad()
        self.loss(self.train_params.dropout).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.train_params.clip_norm)
        for optimizer in self.optimizers:
            optimizer.step()


def main() -> None:
    """Print a loss, or train as standard input asks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("params", help="the section `train` of params.yaml as JSON")
    parser.add_argument("--weights", help="weights.npz: print the loss of the first batch and end")
    parser.add_argument("--muon", action="store_true", help="train the hidden matrices with Muon")
    arguments = parser.parse_args()
    train = TrainParams.model_validate(json.loads(arguments.params))
    model = TorchBiLSTM(train.lstm_units, train.trunk_units, train.head_units, train.max_gap_notes)
    trainer = Trainer(model, train, arguments.muon)
    if arguments.weights:
        load_weights(model, arguments.weights)
        print(trainer.loss(0.0).item())
        return
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in range(int(line)):
            trainer.update()
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()

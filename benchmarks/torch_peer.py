"""The network of stages/model/bilstm.py in PyTorch, as one would write it there, to be timed beside ours.

    python -m benchmarks.torch_peer '{"units": 384, ...}' [--weights weights.npz] [--muon]

A process of its own, which benchmarks/training.py starts: for each line with a number of updates it makes so many and
answers with the seconds that they took. The argument is the section `train` of params.yaml as JSON. With weights, it
answers once with the loss of the first batch, and ends: that is how training.py sees that both are the same function.

The same: batches, made by the same code within the time that counts; everything the network is shown, made anew from a
batch's integers for every update; sizes, heads, mixture of bins and pointers, loss; carried state; dropout; bfloat16
where ours has it, single precision for logits, losses and weights; clipping of gradients. Different: `nn.LSTM` as
PyTorch has it, with a second bias, and AdamW, fused, for all weights. That is less work than ours: Muon takes 15
products as large as each hidden matrix. With --muon these learn by PyTorch's own, which takes an LSTM's four gates as
one matrix, a quarter less work than gate by gate. Eager, which is how PyTorch comes.
"""

import argparse
import json
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks import feeding
from stages.model import history
from stages.model.batching import ELAPSED, KEYBOARD, PAD_PITCH, REMAINING
from stages.model.history import FRAMES_LEFT, FRAMES_SINCE, LAST_DURATION, LAST_VELOCITY, NUM_RECENT
from stages.representation import grid_encoding
from stages.representation.grid_encoding import DURATION, NUM_KEYS, PITCH, STEP, VELOCITY
from stages.utils.params import Train

STEPS, DURATIONS, VELOCITIES = grid_encoding.STEP_BINS, grid_encoding.DURATION_BINS, grid_encoding.VELOCITY_BINS
NEAR = (-1, 0, 1)
REACH = 12
BEFORE_PITCH = STEPS + 2 * NUM_RECENT
BEFORE_DURATION = BEFORE_PITCH + NUM_KEYS + 1
BEFORE_VELOCITY = BEFORE_DURATION + DURATIONS
NOTE = BEFORE_VELOCITY + VELOCITIES
NOTE_AHEAD = NUM_KEYS + 1 + DURATIONS + VELOCITIES + STEPS
AROUND = 8 * (2 * REACH + 1)
IMPOSSIBLE = -1e9
RATE = 1e-4

STEP_BIN, DURATION_BIN = (
    torch.from_numpy(bins).long() for bins in (grid_encoding.STEP_BIN, grid_encoding.DURATION_BIN)
)
STEP_LOG_WIDTHS, DURATION_LOG_WIDTHS = (
    torch.from_numpy(widths).log().float() for widths in (grid_encoding.STEP_WIDTHS, grid_encoding.DURATION_WIDTHS)
)


class Peer(nn.Module):
    def __init__(self, units: int, trunk: int, head: int, longest_gap: int) -> None:
        super().__init__()
        self.forward_lstm = nn.LSTM(NOTE, units, batch_first=True)
        self.backward_lstm = nn.LSTM(NOTE_AHEAD, units, batch_first=True)
        self.from_past = nn.Linear(units, trunk)
        self.from_last = nn.Linear(NOTE, trunk, bias=False)
        self.from_future = nn.Linear(units, trunk, bias=False)
        self.from_gap = nn.Embedding(longest_gap + 1, 2 * trunk)
        self.from_next = nn.Linear(NOTE_AHEAD, trunk, bias=False)
        self.from_room = nn.Linear(STEPS + 1, trunk, bias=False)
        self.to_heads = nn.Linear(trunk, 4 * head)
        shown = {
            "step_rhythm": 2 * STEPS,
            "pitch_note": BEFORE_PITCH,
            "pitch_keys": 5 * NUM_KEYS,
            "pitch_room": STEPS + 1,
            "duration_note": BEFORE_DURATION,
            "duration_rhythm": 2 * STEPS,
            "duration_keys": AROUND,
            "duration_room": STEPS + 1,
            "velocity_note": BEFORE_VELOCITY,
            "velocity_keys": AROUND,
            "velocity_room": STEPS + 1,
        }
        self.shown = nn.ModuleDict({name: nn.Linear(width, head, bias=False) for name, width in shown.items()})
        choices = {
            "step": STEPS,
            "pitch": NUM_KEYS,
            "duration": DURATIONS + NUM_RECENT * len(NEAR),
            "velocity": VELOCITIES,
        }
        self.logits = nn.ModuleDict({name: nn.Linear(head, width) for name, width in choices.items()})

    def forward(self, rows, gap, state, dropout: float):
        """The loss of a batch and the state of the forward LSTM after it."""
        filled, window = len(gap), rows.shape[1] - 1 - (self.from_gap.num_embeddings - 1)
        inside = rows[:, : window + 1]
        last, notes = inside[:, :-1], inside[:, 1:]
        seen = _seen(notes)
        told = _note(last)
        past, state = self.forward_lstm(told, state)
        past = past * _kept(past, dropout)
        joined = self.from_past(past) + self.from_last(told)
        factor, shift = self.from_gap.weight[0].chunk(2)
        rhythm = _rhythm(last, torch.cat([last[..., DURATION, None], last[..., REMAINING]], dim=-1))
        continuing = self._nats(joined + shift, rhythm, notes, last, seen, None)

        ahead = rows[:filled]
        future, following = self._future(ahead)
        future = future * _kept(future, dropout)
        place = torch.arange(window) + 1 + gap[:, None]
        lane = torch.arange(filled)[:, None]
        ended = ahead[lane, place, PITCH] == PAD_PITCH
        onset = ahead[..., STEP].cumsum(1)
        room = torch.where(ended, -1, onset[lane, place] - onset[:, :window])
        factor, shift = self.from_gap(gap)[:, None].chunk(2, dim=-1)
        following = following[lane, place].masked_fill(ended[..., None], 0.0)
        coming = self.from_future(future[lane, place]) + self.from_next(following)
        joined = joined[:filled] + shift + coming * (1 + factor) + self.from_room(_room(room))
        seen = [part[:filled] for part in seen]
        infilling = self._nats(joined, rhythm[:filled], notes[:filled], last[:filled], seen, room)
        real = notes[..., PITCH] < PAD_PITCH
        return (continuing + infilling) / (real.sum() + real[:filled].sum()).clamp(min=1), state

    def _future(self, rows):
        # Each stream backwards from its last note: what is behind it is not read.
        ends = (rows[..., PITCH] != PAD_PITCH) * torch.arange(1, rows.shape[1] + 1)
        length = ends.amax(1, keepdim=True)
        place = torch.arange(rows.shape[1])
        place = torch.where(place < length, length - 1 - place, place)
        lane = torch.arange(len(rows))[:, None]
        following = functional.pad(rows[:, 1:, STEP], (0, 1))
        notes = torch.cat(
            [
                _one_hot(rows[..., PITCH], NUM_KEYS + 1),
                _one_hot(DURATION_BIN[rows[..., DURATION]], DURATIONS),
                _one_hot(rows[..., VELOCITY], VELOCITIES),
                _one_hot(STEP_BIN[following], STEPS),
            ],
            dim=-1,
        )
        read, _ = self.backward_lstm(notes[lane, place])
        return read[lane, place] * (rows[..., PITCH, None] != PAD_PITCH), notes

    def _nats(self, joined, rhythm, notes, last, seen, room):
        # The sum over all notes and fields.
        told, around, keys, now = seen
        step, pitch, duration, velocity = self.to_heads(functional.gelu(joined, approximate="tanh")).chunk(4, dim=-1)
        step = step + self.shown["step_rhythm"](rhythm)
        pitch = pitch + self.shown["pitch_note"](told[..., :BEFORE_PITCH]) + self.shown["pitch_keys"](keys)
        duration = duration + self.shown["duration_note"](told[..., :BEFORE_DURATION])
        duration = duration + self.shown["duration_rhythm"](now) + self.shown["duration_keys"](around)
        velocity = velocity + self.shown["velocity_note"](told[..., :BEFORE_VELOCITY])
        velocity = velocity + self.shown["velocity_keys"](around)
        if room is not None:
            left = _room(torch.where(room < 0, -1, (room - notes[..., STEP]).clamp(min=0)))
            pitch = pitch + self.shown["pitch_room"](left)
            duration = duration + self.shown["duration_room"](left)
            velocity = velocity + self.shown["velocity_room"](left)
        with torch.autocast("cpu", enabled=False):
            hidden = {"step": step, "pitch": pitch, "duration": duration, "velocity": velocity}
            step, pitch, duration, velocity = (
                self.logits[name](functional.gelu(of.float(), approximate="tanh")) for name, of in hidden.items()
            )
            before = last[..., PITCH, None]
            down = (notes[..., STEP, None] == 0) & (before < PAD_PITCH) & (torch.arange(NUM_KEYS) < before)
            pointed = torch.cat([notes[..., REMAINING] + near for near in NEAR], dim=-1)
            binned, pointers = duration.split([DURATIONS, pointed.shape[-1]], dim=-1)
            possible = (pointed >= 1) & (pointed <= grid_encoding.DURATION_FRAMES)
            durations = torch.cat([binned, pointers.masked_fill(~possible, IMPOSSIBLE)], dim=-1).log_softmax(-1)
            binned, pointers = durations.split([DURATIONS, pointed.shape[-1]], dim=-1)
            binned = _pick(binned - DURATION_LOG_WIDTHS, DURATION_BIN[notes[..., DURATION]])
            pointers = pointers.masked_fill(pointed != notes[..., DURATION, None], IMPOSSIBLE)
            found = (
                _pick(step.log_softmax(-1) - STEP_LOG_WIDTHS, STEP_BIN[notes[..., STEP]])
                + _pick(pitch.masked_fill(down, IMPOSSIBLE).log_softmax(-1), notes[..., PITCH].clamp(max=NUM_KEYS - 1))
                + torch.cat([binned[..., None], pointers], dim=-1).logsumexp(-1)
                + _pick(velocity.log_softmax(-1), notes[..., VELOCITY])
            )
            return -found.masked_fill(notes[..., PITCH] == PAD_PITCH, 0.0).sum()


def _seen(notes):
    # What the heads are shown beside the trunk: the note itself, the keys around it, all keys, and what ends when.
    keys = notes[..., KEYBOARD].unflatten(-1, (4, NUM_KEYS))
    left, since = keys[..., FRAMES_LEFT, :], keys[..., FRAMES_SINCE, :].float()
    every = [(left > 0).float(), (left == 0).float(), _log(left), torch.exp(-since / 30), torch.exp(-since / 300)]
    padded = functional.pad(keys, (REACH, REACH), value=-history.MAX_FRAMES_AGO)
    place = notes[..., PITCH, None].clamp(max=NUM_KEYS - 1) + torch.arange(2 * REACH + 1)
    near = padded.gather(-1, place[..., None, :].expand(*place.shape[:-1], 4, -1))
    left, since, loudness, length = (
        near[..., plane, :].float() for plane in (FRAMES_LEFT, FRAMES_SINCE, LAST_VELOCITY, LAST_DURATION)
    )
    struck = (loudness > 0).float()
    around = [struck, (left > 0).float(), (left == 0).float(), _log(left)]
    around += [struck * torch.exp(-since / 30), struck * torch.exp(-since / 300), struck * loudness / VELOCITIES]
    around.append(_log(length))
    return _note(notes), torch.cat(around, dim=-1), torch.cat(every, dim=-1), _rhythm(notes, notes[..., REMAINING])


def _note(rows):
    return torch.cat(
        [
            _one_hot(STEP_BIN[rows[..., STEP]], STEPS),
            _log(rows[..., REMAINING]),
            (rows[..., REMAINING] >= 0).float(),
            _one_hot(rows[..., PITCH], NUM_KEYS + 1),
            _one_hot(DURATION_BIN[rows[..., DURATION]], DURATIONS),
            _one_hot(rows[..., VELOCITY], VELOCITIES),
        ],
        dim=-1,
    )


def _rhythm(rows, ends):
    passed, real = rows[..., ELAPSED], rows[..., PITCH, None] < PAD_PITCH
    return torch.cat([_counted(ends, real & (ends > 0)), _counted(passed, real & (passed >= 0))], dim=-1)


def _room(cells):
    bins = STEP_BIN[cells.clamp(0, grid_encoding.STEP_FRAMES - 1)]
    return torch.cat([_one_hot(bins, STEPS) * (cells >= 0)[..., None], _log(cells)[..., None]], dim=-1)


def _one_hot(indices, width: int):
    return torch.zeros(*indices.shape, width).scatter_(-1, indices[..., None], 1.0)


def _counted(cells, counts):
    bins = STEP_BIN[cells.clamp(0, grid_encoding.STEP_FRAMES - 1)]
    return torch.zeros(*cells.shape[:-1], STEPS).scatter_add_(-1, bins, counts.float())


def _log(cells):
    return torch.log1p(cells.clamp(min=0).float()) / float(np.log1p(grid_encoding.DURATION_FRAMES))


def _pick(log_probabilities, choice):
    return log_probabilities.gather(-1, choice[..., None]).squeeze(-1)


def _kept(outputs, dropout: float):
    # The same of a stream's outputs throughout a window.
    return functional.dropout(torch.ones(len(outputs), 1, outputs.shape[-1]), dropout)


def _load(peer: Peer, path: str) -> None:
    weights = dict(np.load(path))
    kernels = {"forward": peer.forward_lstm, "backward": peer.backward_lstm}

    def put(parameter, value) -> None:
        parameter.data.copy_(torch.from_numpy(np.ascontiguousarray(value)))

    def gates(value):
        # Ours stand in the order input, forget, output, candidate; PyTorch's, input, forget, candidate, output.
        i, f, o, candidate = np.split(value, 4, axis=-1)
        return np.concatenate([i, f, candidate, o], axis=-1).T

    for name, lstm in kernels.items():
        put(lstm.weight_ih_l0, gates(weights.pop(f"{name}/kernel")))
        put(lstm.weight_hh_l0, gates(weights.pop(f"{name}/recurrent_kernel")))
        put(lstm.bias_ih_l0, gates(weights.pop(f"{name}/bias")))
        lstm.bias_hh_l0.data.zero_()
    put(peer.from_gap.weight, weights.pop("from_gap/embeddings"))
    for path, value in weights.items():
        name, kind = path.split("/")
        layer = getattr(peer, name, None)
        if layer is None:
            layer = peer.logits[name.removesuffix("_logits")] if name.endswith("_logits") else peer.shown[name]
        put(layer.weight if kind == "kernel" else layer.bias, value.T)


def _optimizers(peer: Peer, muon: bool, weight_decay: float) -> list[torch.optim.Optimizer]:
    hidden = [peer.forward_lstm.weight_hh_l0, peer.backward_lstm.weight_hh_l0]
    hidden += [layer.weight for layer in (peer.from_past, peer.from_future, peer.to_heads)]
    by_muon = {id(weight) for weight in hidden if muon}
    others = [weight for weight in peer.parameters() if id(weight) not in by_muon]
    optimizers: list[torch.optim.Optimizer] = [torch.optim.AdamW(others, RATE, weight_decay=weight_decay, fused=True)]
    if muon:
        optimizers.append(torch.optim.Muon(hidden, RATE, weight_decay=weight_decay))
    return optimizers


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("params")
    parser.add_argument("--weights")
    parser.add_argument("--muon", action="store_true")
    arguments = parser.parse_args()
    params = Train.model_validate(json.loads(arguments.params))
    peer = Peer(params.units, params.trunk, params.head, params.longest_gap)
    supply = feeding.at_random(params)
    carried = tuple(torch.zeros(1, params.streams, params.units) for _ in range(2))
    half = params.precision == "bfloat16"

    def loss(dropout: float):
        nonlocal carried
        batch = next(supply)
        rows, gap = torch.from_numpy(batch["rows"]).long(), torch.from_numpy(batch["gap"]).long()
        kept = ~torch.from_numpy(batch["reset"])[None, :, None]
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            found, state = peer(rows, gap, tuple(part * kept for part in carried), dropout)
        carried = tuple(part.detach().float() for part in state)
        return found

    if arguments.weights:
        _load(peer, arguments.weights)
        print(loss(0.0).item())
        return
    optimizers = _optimizers(peer, arguments.muon, params.weight_decay)
    for line in sys.stdin:
        begin = time.perf_counter()
        for _ in range(int(line)):
            peer.zero_grad()
            loss(params.dropout).backward()
            nn.utils.clip_grad_norm_(peer.parameters(), params.clip_norm)
            for optimizer in optimizers:
                optimizer.step()
        print(time.perf_counter() - begin, flush=True)


if __name__ == "__main__":
    main()

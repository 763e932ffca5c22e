"""Playing: new notes drawn from the network one after the other, many streams at once in one compiled loop."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops
from tqdm import tqdm

from stages.music import encoding
from stages.music.encoding import CELL, DURATION, DURATION_BINS, DURATION_CELLS, KEYS, PITCH, STEP, VELOCITY
from stages.network import batches, features
from stages.network.bilstm import Ahead, BiLSTM, pointed_cells

CHUNK = 50  # notes drawn by one call of the compiled loop
_DRAWS = 6  # random numbers a note: step bin and cell, pitch, duration choice and cell, velocity


@dataclass(frozen=True)
class Taste:
    """How to choose. temperature: above 0, 1 as learnt; top_p: the share of probability to keep, likeliest first."""

    temperature: float = 1.0
    top_p: float = 1.0


DEFAULT = Taste()


class _Player(keras.Model):
    # A model only so that Keras compiles it, whatever the backend.
    def __init__(self, network: BiLSTM, filling: bool) -> None:
        super().__init__(dtype=network.dtype_policy, name="player")
        self.network, self.filling = network, filling

    def call(self, x):
        """Play a chunk of notes after x["row"]: rows, shape (CHUNK, streams, COLUMNS), and the state after them."""
        taste = x["temperature"], x["top_p"]

        def play(carried, given):
            row, passed, *state = carried
            left, draws = given
            past, state = self.network.past_step(row, state)
            ahead, least, most = None, ops.zeros_like(passed), ops.full_like(passed, encoding.STEP_CELLS - 1)
            if self.filling:
                least, most = ops.maximum(x["lead"] - passed, 0), ops.maximum(x["end"] - 1 - passed, 0)
                gap = ops.broadcast_to(ops.minimum(left, self.network.longest_gap), ops.shape(passed))
                room = ops.maximum(x["room"] - passed, 0) * gap // left
                ahead = Ahead(x["future"], x["next"], gap, room)
            row = self._note(self.network.context(past, row, ahead), row, draws, taste, least, most)
            # Keras' scan on TensorFlow collects as many arrays as it carries.
            return [row, passed + row[:, STEP], *state], [row, passed, *state]

        carried = [x["row"], x["passed"], x["state"][0], x["state"][1]]
        (_, _, *state), (rows, *_) = ops.scan(play, carried, (x["left"], x["draws"]))
        return rows, ops.stack(state)

    def _note(self, context, before, draws, taste, least, most):
        network, draws = self.network, ops.moveaxis(draws, -1, 0)
        # Above the highest key there is none left to strike in the same instant.
        least = ops.maximum(least, ops.cast(before[:, PITCH] == KEYS - 1, "int32"))
        most = ops.maximum(least, most)
        allowed = (encoding.STEP_EDGES[1:] > least[:, None]) & (encoding.STEP_EDGES[:-1] <= most[:, None])
        choice = _draw(ops.where(allowed, ops.exp(network.step(context)), 0.0), draws[0], *taste)
        step = ops.clip(_cell(choice, encoding.STEP_EDGES, draws[1]), least, most)
        row = features.next_row(before, step)

        probabilities = ops.exp(network.pitch(context, row, before[:, PITCH]))
        again = (step == 0)[:, None] & (ops.arange(KEYS) == before[:, PITCH, None])
        row = _with(row, PITCH, _draw(ops.where(again, 0.0, probabilities), draws[2], *taste))

        choice = _draw(ops.exp(network.duration(context, row)), draws[3], *taste)
        binned = _cell(ops.minimum(choice, DURATION_BINS - 1), encoding.DURATION_EDGES, draws[4])
        pointer = ops.maximum(choice - DURATION_BINS, 0)
        pointed = ops.squeeze(ops.take_along_axis(pointed_cells(row), pointer[:, None], axis=-1), axis=-1)
        duration = ops.clip(ops.where(choice < DURATION_BINS, binned, pointed), 1, DURATION_CELLS)
        row = _with(row, DURATION, duration)

        velocity = _draw(ops.exp(network.velocity(context, row)), draws[5], *taste)
        return _with(row, VELOCITY, velocity)


def _with(row, field, value):
    return ops.concatenate([row[:, :field], value[:, None], row[:, field + 1 :]], axis=-1)


def _draw(probabilities, uniform, temperature, top_p):
    # One choice a stream: tempered, cut to the likeliest that make up top_p, then by the inverse of the distribution.
    weights = ops.where(probabilities > 0, ops.exp(ops.log(ops.maximum(probabilities, 1e-30)) / temperature), 0.0)
    weights = weights / ops.sum(weights, axis=-1, keepdims=True)
    ordered = ops.flip(ops.sort(weights, axis=-1), axis=-1)
    before = ops.cumsum(ordered, axis=-1) - ordered
    least = ops.min(ops.where(before < top_p, ordered, 1.0), axis=-1, keepdims=True)
    kept = ops.where(weights >= ops.maximum(least, 1e-30), weights, 0.0)
    heap = ops.cumsum(kept, axis=-1)
    # The last choice that weighs anything, should rounding put the draw beyond the heap.
    last = ops.sum(ops.cast(heap < heap[:, -1:], "int32"), axis=-1)
    drawn = ops.sum(ops.cast(heap <= uniform[:, None] * heap[:, -1:], "int32"), axis=-1)
    return ops.minimum(drawn, last)


def _cell(choice, edges, uniform):
    # A cell of the chosen bin, each as likely.
    first, end = ops.take(edges[:-1], choice), ops.take(edges[1:], choice)
    width = ops.cast(end - first, "float32")
    return ops.minimum(first + ops.cast(ops.floor(uniform * width), "int32"), end - 1)


def continuations(
    network: BiLSTM,
    prompts: Sequence[np.ndarray],
    notes: int,
    seed: int,
    taste: Taste = DEFAULT,
    progress: str | None = None,
    cells: int | None = None,
) -> list[np.ndarray]:
    """Play `notes` notes after each prompt; after a prompt without notes, a piece from its beginning.

    prompts and results: fields (see music.encoding), int32, shape (notes, 4). cells: stop there, counted from the
    prompt's last onset, even if that makes fewer notes. The same seed and prompts give the same notes on the same
    machine type. progress: the label of a progress bar, or None for none.
    """
    played = _play(network, prompts, notes, seed, taste, progress, cells)
    return [fields if cells is None else fields[np.cumsum(fields[:, STEP]) < cells] for fields in played]


def fillings(
    network: BiLSTM,
    pasts: Sequence[np.ndarray],
    futures: Sequence[np.ndarray],
    notes: int,
    cells: Sequence[int],
    seed: int,
    taste: Taste = DEFAULT,
    progress: str | None = None,
    leads: Sequence[int] | None = None,
    ends: Sequence[int] | None = None,
) -> list[np.ndarray]:
    """Play `notes` notes between each past and its future, fewer where they find no room.

    cells: for each, from the past's last onset to the future's first; leads: cells at its beginning in which no note is
    to begin, none unless given; ends: cells before which all are to begin, up to the future unless given.
    Where there are more notes than the network's longest gap, it is told of a future that far off, in the share of the
    room that falls to it.
    """
    leads, ends = np.array(leads or [0] * len(cells), np.int32), np.array(ends or cells, np.int32)
    # A step cannot be longer than the longest: what a lead takes more is put before the first note afterwards.
    over = np.maximum(leads - (encoding.STEP_CELLS - 1), 0)
    future, following = _after(network, futures)
    ahead = {"future": future, "next": following, "room": np.array(cells, np.int32) - over}
    ahead |= {"lead": leads - over, "end": ends - over}
    played = _play(network, pasts, notes, seed, taste, progress, ahead=ahead)
    for fields, more in zip(played, over, strict=True):
        fields[0, STEP] += more
    return [fields[np.cumsum(fields[:, STEP]) < end] for fields, end in zip(played, ends, strict=True)]


def _play(network, pasts, notes, seed, taste, label, cells=None, ahead=None) -> list[np.ndarray]:
    if not len(pasts):
        return []
    row, state = _before(network, pasts)
    chunks = -(-notes // CHUNK)
    random = np.random.default_rng((seed, 4))
    x = {
        "row": row,
        "state": state,
        "temperature": np.float32(taste.temperature),
        "top_p": np.float32(taste.top_p),
    } | (ahead or {})
    player = _Player(network, filling=ahead is not None)
    played, passed = [], np.zeros(len(pasts), np.int32)
    total, unit = (notes, " notes") if cells is None else (round(cells * CELL), " s of music")
    with tqdm(total=total, desc=label, unit=unit, disable=label is None) as bar:
        for first in range(0, chunks * CHUNK, CHUNK):
            x["passed"] = passed
            x["left"] = np.maximum(notes - np.arange(first, first + CHUNK, dtype=np.int32), 1)
            x["draws"] = random.random((CHUNK, len(pasts), _DRAWS), np.float32)
            rows, x["state"] = map(np.asarray, player.predict_on_batch(x))
            x["row"] = rows[-1]
            played.append(rows[..., :4])
            passed = passed + rows[..., STEP].sum(axis=0, dtype=np.int32)
            done = len(played) * CHUNK if cells is None else int(passed.min() * CELL)
            bar.update(min(done, total) - bar.n)
            if cells is not None and passed.min() >= cells:
                break
    return list(np.concatenate(played)[:notes].transpose(1, 0, 2))


def _read(pieces: Sequence[np.ndarray], reader) -> list[np.ndarray]:
    # What `reader` makes of each piece; pieces of one length are read as one batch.
    found: list = [None] * len(pieces)
    for length in {len(fields) for fields in pieces}:
        alike = [at for at, fields in enumerate(pieces) if len(fields) == length]
        for at, result in zip(alike, reader([pieces[at] for at in alike]), strict=True):
            found[at] = result
    return found


def _before(network: BiLSTM, pasts: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    # The last row of each past, (streams, COLUMNS), not read yet, and the state before it, (2, streams, units).
    def reader(alike):
        rows = np.stack([np.concatenate([batches.pads((1,)), batches.rows_of(fields)]) for fields in alike])
        state = np.zeros((2, len(alike), network.units), np.float32)
        if rows.shape[1] > 1:
            _, state = network.past(rows[:, :-1], [state[0], state[1]])
            state = np.stack([ops.convert_to_numpy(part) for part in state])
        return zip(rows[:, -1], state.transpose(1, 0, 2), strict=True)

    read = _read(pasts, reader)
    return np.stack([row for row, _ in read]).astype(np.int32), np.stack([state for _, state in read], axis=1)


def _after(network: BiLSTM, futures: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    # What the backward LSTM makes of each future, (streams, units), and its first note, (streams, NOTE_AHEAD).
    def reader(alike):
        rows = np.stack([batches.rows_of(fields) for fields in alike])
        read = network.future(rows)[:, 0], features.note_ahead(rows)[:, 0]
        return zip(*map(ops.convert_to_numpy, read), strict=True)

    future, following = zip(*_read(futures, reader), strict=True)
    return np.stack(future), np.stack(following)

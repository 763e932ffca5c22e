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
from stages.network.bilstm import BiLSTM, pointed_cells

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
            row, *state = carried
            gap, draws = given
            past, state = self.network.past_step(row, state)
            if self.filling:
                # Of a future farther off than the network can be told, it knows nothing.
                future = ops.where(gap > 0, x["future"], 0.0)
                context = self.network.context(past, row, future, ops.broadcast_to(gap, ops.shape(past)[:1]))
            else:
                context = self.network.context(past, row)
            row = self._note(context, row, draws, taste)
            # Keras' scan on TensorFlow collects as many arrays as it carries.
            return [row, *state], [row, *state]

        (_, *state), (rows, *_) = ops.scan(play, [x["row"], x["state"][0], x["state"][1]], (x["gap"], x["draws"]))
        return rows, ops.stack(state)

    def _note(self, context, before, draws, taste):
        network, draws = self.network, ops.moveaxis(draws, -1, 0)
        probabilities = ops.exp(network.step(context))
        # Above the highest key there is none left to strike in the same instant.
        together = ops.where(before[:, PITCH] == KEYS - 1, 0.0, probabilities[:, 0])
        probabilities = ops.concatenate([together[:, None], probabilities[:, 1:]], axis=-1)
        step = _cell(_draw(probabilities, draws[0], *taste), encoding.STEP_EDGES, draws[1])
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
    played = _play(network, prompts, None, notes, seed, taste, progress, cells)
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
) -> list[np.ndarray]:
    """Play `notes` notes between each past and its future.

    cells: for each, from the past's last onset to the future's first. What is played is stretched or squeezed into it;
    leads: cells at its beginning that stay free, none unless given.
    Where there are more notes than the network's longest gap, the first ones are played without knowing the future.
    """
    played = _play(network, pasts, futures, notes, seed, taste, progress)
    return [
        squeezed(fields, room, lead)
        for fields, room, lead in zip(played, cells, leads or [0] * len(cells), strict=True)
    ]


def _play(network, pasts, futures, notes, seed, taste, label, cells=None) -> list[np.ndarray]:
    if not len(pasts):
        return []
    row, state = _before(network, pasts)
    chunks = -(-notes // CHUNK)
    gaps = np.zeros(chunks * CHUNK, np.int32)
    if futures is not None:
        left = np.arange(notes, 0, -1)
        gaps[:notes] = np.where(left > network.longest_gap, 0, left)
    random = np.random.default_rng((seed, 4))
    x = {
        "row": row,
        "state": state,
        "temperature": np.float32(taste.temperature),
        "top_p": np.float32(taste.top_p),
    }
    if futures is not None:
        x["future"] = _after(network, futures)
    player = _Player(network, filling=futures is not None)
    played, passed = [], np.zeros(len(pasts), np.int64)
    total, unit = (notes, " notes") if cells is None else (round(cells * CELL), " s of music")
    with tqdm(total=total, desc=label, unit=unit, disable=label is None) as bar:
        for chunk in np.split(gaps, chunks):
            draws = random.random((CHUNK, len(pasts), _DRAWS), np.float32)
            rows, x["state"] = map(np.asarray, player.predict_on_batch(x | {"gap": chunk, "draws": draws}))
            x["row"] = rows[-1]
            played.append(rows[..., :4])
            passed += rows[..., STEP].sum(axis=0)
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


def _after(network: BiLSTM, futures: Sequence[np.ndarray]) -> np.ndarray:
    # What the backward LSTM makes of each future, (streams, units).
    def reader(alike):
        return ops.convert_to_numpy(network.future(np.stack([batches.rows_of(fields) for fields in alike]))[:, 0])

    return np.stack(_read(futures, reader))


def squeezed(fields: np.ndarray, cells: int, lead: int = 0) -> np.ndarray:
    """`fields` with onsets and ends moved in proportion, so that the next onset would come `cells` after the start.

    lead: cells at the start in which no note begins.
    """
    if lead:
        fields = fields.copy()
        fields[0, STEP] = max(0, fields[0, STEP] - lead)
        fields = squeezed(fields, cells - lead)
        fields[0, STEP] += lead
        return fields
    onset = np.cumsum(fields[:, STEP])
    # The future's first step is not part of what was played: leave it what a note took on average.
    scale = cells / max(1.0, onset[-1] * (1 + 1 / len(fields)))
    moved = np.rint(onset * scale).astype(np.int64)
    # What came one after the other still does, as long as there is room for it.
    for note in np.flatnonzero(fields[:, STEP]):
        moved[note:] += max(0, (moved[note - 1] if note else 0) + 1 - moved[note])
    moved = np.minimum(moved, max(cells - 1, 0))
    end = np.rint((onset + fields[:, DURATION]) * scale).astype(np.int64)
    fields = fields.copy()
    fields[:, STEP] = np.diff(moved, prepend=0)
    fields[:, DURATION] = np.clip(end - moved, 1, DURATION_CELLS)
    return fields

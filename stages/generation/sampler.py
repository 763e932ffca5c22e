"""Playing: new notes drawn from the network one after the other, many streams at once in one compiled loop.

What is played goes on from a past, leads from a past to a future, or revises what was played before.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops
from tqdm import tqdm

from stages.generation import tempo
from stages.model import batching, features
from stages.model.bilstm import BiLSTM, FutureContext, pointed_durations
from stages.representation import grid_encoding
from stages.representation.grid_encoding import (
    DURATION,
    DURATION_BINS,
    DURATION_FRAMES,
    FRAME_SECONDS,
    NUM_KEYS,
    PITCH,
    STEP,
    VELOCITY,
)

NOTES_PER_CALL = 50  # notes drawn by one call of the compiled loop
REGION = 16  # notes that a revision draws again with one and the same future in sight
_DRAWS = 6  # random numbers a note: step bin and cell, pitch, duration choice and cell, velocity

PerField = float | tuple[float, float, float, float]


@dataclass(frozen=True)
class SamplingConfig:
    """How to choose; each for all fields, or one for step, pitch, duration and velocity.

    temperature: above 0, 1 as learnt; top_p: the share of probability to keep, likeliest first; min_p: what is less
    likely than this share of the likeliest is left out (Nguyen et al., 2024). steadiness: how strongly pieces and
    continuations keep their tempo, 0 as learnt (network.tempo); fillings and revisions have theirs from what they lead
    to.
    """

    temperature: PerField = 1.0
    top_p: PerField = 1.0
    min_p: PerField = 0.0
    steadiness: float = 0.0


DEFAULT_SAMPLING = SamplingConfig()


@dataclass(frozen=True)
class _InfillTarget:
    """What each of the notes to play has ahead of it, an array of shape (notes, streams, ...) each.

    future, following: see bilstm.Ahead.future and next; until: cells from the past's last onset to the future's first;
    left: notes before it, 0 where there is none; first, last: cells from the past's last onset to the first and the
    last moment at which the note may begin.
    """

    future: np.ndarray
    following: np.ndarray
    until: np.ndarray
    left: np.ndarray
    first: np.ndarray
    last: np.ndarray


class _Sampler(keras.Model):
    # A model only so that Keras compiles it, whatever the backend.
    def __init__(self, network: BiLSTM, aiming: bool) -> None:
        super().__init__(dtype=network.dtype_policy, name="player")
        self.network, self.aiming = network, aiming

    def call(self, x):
        """Play a chunk of notes after x["row"]: rows, shape (CHUNK, streams, COLUMNS), and the state after them."""
        taste = [(x["temperature"][field], x["top_p"][field], x["min_p"][field]) for field in range(4)]

        def play(carried, given):
            row, passed, pace, *state = carried
            past, state = self.network.past_step(row, state)
            ahead, least, most = None, ops.zeros_like(passed), ops.full_like(passed, grid_encoding.STEP_FRAMES - 1)
            lean = 0.0 if self.aiming else tempo.step_logit_bias(pace, x["steadiness"])
            if self.aiming:
                # Of a future too many notes off it is told as of one that it can be told of, just as densely filled.
                gap = ops.minimum(given["left"], self.network.longest_gap)
                room = ops.maximum(given["until"] - passed, 0) * gap // ops.maximum(given["left"], 1)
                ahead = FutureContext(given["future"], given["following"], gap, ops.where(gap > 0, room, -1))
                least, most = (ops.clip(given[side] - passed, 0, most) for side in ("first", "last"))
            row = self._note(self.network.context(past, row, ahead), row, given["draws"], taste, lean, least, most)
            # Keras' scan on TensorFlow collects as many arrays as it carries.
            return [row, passed + row[:, STEP], tempo.update_tempo_state(pace, row[:, STEP]), *state], [
                row,
                passed,
                pace,
                *state,
            ]

        carried = [x["row"], x["passed"], x["pace"], x["state"][0], x["state"][1]]
        (_, _, pace, *state), (rows, *_) = ops.scan(play, carried, x["notes"])
        return rows, pace, ops.stack(state)

    def _note(self, context, before, draws, taste, lean, least, most):
        network, draws = self.network, ops.moveaxis(draws, -1, 0)
        # Above the highest key there is none left to strike in the same instant.
        least = ops.maximum(least, ops.cast(before[:, PITCH] == NUM_KEYS - 1, "int32"))
        most = ops.maximum(least, most)
        # Of each bin, the cells that are free.
        first = ops.maximum(grid_encoding.STEP_EDGES[:-1], least[:, None])
        end = ops.minimum(grid_encoding.STEP_EDGES[1:], most[:, None] + 1)
        free = ops.cast(ops.maximum(end - first, 0), "float32") / grid_encoding.STEP_WIDTHS.astype(np.float32)
        choice = _draw(ops.exp(network.step(context) + lean) * free, draws[0], *taste[STEP])
        step = ops.clip(_cell(_at(first, choice), _at(end, choice), draws[1]), least, most)
        row = features.next_row(before, step)

        probabilities = ops.exp(network.pitch(context, row, before[:, PITCH]))
        again = (step == 0)[:, None] & (ops.arange(NUM_KEYS) == before[:, PITCH, None])
        row = _with(row, PITCH, _draw(ops.where(again, 0.0, probabilities), draws[2], *taste[PITCH]))

        choice = _draw(ops.exp(network.duration(context, row)), draws[3], *taste[DURATION])
        edges = ops.take(grid_encoding.DURATION_EDGES, ops.minimum(choice, DURATION_BINS - 1)[:, None] + np.arange(2))
        binned = _cell(edges[:, 0], edges[:, 1], draws[4])
        pointer = ops.maximum(choice - DURATION_BINS, 0)
        pointed = _at(pointed_durations(row), pointer)
        duration = ops.clip(ops.where(choice < DURATION_BINS, binned, pointed), 1, DURATION_FRAMES)
        row = _with(row, DURATION, duration)

        velocity = _draw(ops.exp(network.velocity(context, row)), draws[5], *taste[VELOCITY])
        return _with(row, VELOCITY, velocity)


def _with(row, field, value):
    return ops.concatenate([row[:, :field], value[:, None], row[:, field + 1 :]], axis=-1)


def _draw(probabilities, uniform, temperature, top_p, min_p):
    # One choice a stream: tempered, cut to the likeliest, then by the inverse of the distribution.
    # Against the likeliest of those that are possible, or at low temperatures all might come to nought.
    odds = probabilities / ops.maximum(ops.max(probabilities, axis=-1, keepdims=True), 1e-30)
    weights = ops.where(odds > 0, ops.exp(ops.log(ops.maximum(odds, 1e-30)) / temperature), 0.0)
    weights = weights / ops.maximum(ops.sum(weights, axis=-1, keepdims=True), 1e-30)
    ordered = ops.flip(ops.sort(weights, axis=-1), axis=-1)
    before = ops.cumsum(ordered, axis=-1) - ordered
    least = ops.min(ops.where(before < top_p, ordered, 1.0), axis=-1, keepdims=True)
    least = ops.maximum(least, min_p * ordered[:, :1])
    kept = ops.where(weights >= ops.maximum(least, 1e-30), weights, 0.0)
    heap = ops.cumsum(kept, axis=-1)
    # The last choice that weighs anything, should rounding put the draw beyond the heap.
    last = ops.sum(ops.cast(heap < heap[:, -1:], "int32"), axis=-1)
    drawn = ops.sum(ops.cast(heap <= uniform[:, None] * heap[:, -1:], "int32"), axis=-1)
    return ops.minimum(drawn, last)


def _at(values, place):
    # Of each stream's values the one at its place.
    return ops.squeeze(ops.take_along_axis(values, place[:, None], axis=-1), axis=-1)


def _cell(first, end, uniform):
    # A cell of a bin, each as likely.
    width = ops.cast(end - first, "float32")
    return ops.minimum(first + ops.cast(ops.floor(uniform * width), "int32"), end - 1)


def generate_continuations(
    network: BiLSTM,
    prompts: Sequence[np.ndarray],
    notes: int,
    seed: int,
    taste: SamplingConfig = DEFAULT_SAMPLING,
    progress: str | None = None,
    cells: int | None = None,
) -> list[np.ndarray]:
    """Play `notes` notes after each prompt; after a prompt without notes, a piece from its beginning.

    prompts and results: fields (see music.encoding), int32, shape (notes, 4). cells: stop there, counted from the
    prompt's last onset, even if that makes fewer notes. The same seed and prompts give the same notes on the same
    machine type; what one of them gets hardly depends on the others. progress: the label of a progress bar, or None for
    none.
    """
    played = _play(_Sampler(network, aiming=False), prompts, notes, (seed, 4), taste, progress, cells=cells)
    return [fields if cells is None else fields[np.cumsum(fields[:, STEP]) < cells] for fields in played]


def generate_infills(
    network: BiLSTM,
    pasts: Sequence[np.ndarray],
    futures: Sequence[np.ndarray],
    notes: int,
    cells: Sequence[int],
    seed: int,
    taste: SamplingConfig = DEFAULT_SAMPLING,
    progress: str | None = None,
    leads: Sequence[int] | None = None,
    ends: Sequence[int] | None = None,
) -> list[np.ndarray]:
    """Play `notes` notes between each past and its future, fewer where they find no room.

    cells: for each, from the past's last onset to the future's first; leads: cells at its beginning in which no note is
    to begin, none unless given; ends: cells before which all are to begin, up to the future unless given.
    """
    if not len(pasts):
        return []
    until, end = np.array(cells, np.int32), np.array(ends or cells, np.int32)
    first = np.array(leads or [0] * len(cells), np.int32)
    # A step cannot be longer than the longest: what a lead takes more is put before the first note afterwards.
    over = np.maximum(first - (grid_encoding.STEP_FRAMES - 1), 0)
    read = _read(futures, lambda alike: zip(*(found[:, 0] for found in _ahead(network, alike)), strict=True))
    future, following = (np.stack(found) for found in zip(*read, strict=True))
    left = np.broadcast_to(np.arange(notes, 0, -1, dtype=np.int32)[:, None], (notes, len(pasts)))
    aim = [np.broadcast_to(one, (notes, *one.shape)) for one in (future, following, until - over)]
    aim += [left, *(np.broadcast_to(one - over, left.shape) for one in (first, end - 1))]
    played = _play(_Sampler(network, aiming=True), pasts, notes, (seed, 6), taste, progress, _InfillTarget(*aim))
    for fields, more in zip(played, over, strict=True):
        fields[0, STEP] += more
    return [fields[np.cumsum(fields[:, STEP]) < limit] for fields, limit in zip(played, end, strict=True)]


def revise(
    network: BiLSTM,
    pasts: Sequence[np.ndarray],
    played: Sequence[np.ndarray],
    passes: int,
    seed: int,
    taste: SamplingConfig = DEFAULT_SAMPLING,
    progress: str | None = None,
) -> list[np.ndarray]:
    """Go `passes` times over what was played after each past, all of one length, and draw every note again.

    A region of about REGION notes at a time, between what has been revised before it and what has not yet been after
    it, which stays where it is (but for a cell, where no key is left for another note). Regions end where no chord is
    cut, and elsewhere in every pass. The last notes have no future, and are played on. This is Gibbs sampling in blocks
    as far as the network's two sides agree.
    """
    if not len(pasts):
        return []
    player, notes = _Sampler(network, aiming=True), len(played[0])
    for turn in range(passes):
        fields = np.stack(played)
        left = np.stack([_to_region_end(one, REGION * (turn % 2) // 2) for one in fields], axis=1)
        at = np.minimum(np.arange(notes)[:, None] + left, notes - 1)  # where each note's future begins
        future, following = (np.moveaxis(found, 0, 1) for found in _ahead(network, fields))
        until = np.take_along_axis(np.cumsum(fields[..., STEP], axis=1, dtype=np.int32).T, at, axis=0)
        last = np.where(left > 0, until - 1, np.iinfo(np.int32).max)
        there = (left > 0)[..., None]
        ahead = [np.take_along_axis(found, at[..., None], axis=0) * there for found in (future, following)]
        aim = _InfillTarget(*ahead, until, left, np.zeros_like(left), last)
        label = progress and f"{progress} {turn + 1}/{passes}"
        played = _play(player, pasts, notes, (seed, 5, turn), taste, label, aim)
    return list(played)


def _to_region_end(fields: np.ndarray, offset: int) -> np.ndarray:
    # For each note, how many there are up to the next region; 0 in the last one.
    ends = [
        next((at for at in range(start, len(fields)) if fields[at, STEP]), len(fields))
        for start in range(REGION - offset, len(fields), REGION)
    ]
    left = np.zeros(len(fields), np.int32)
    for end in reversed([end for end in ends if end < len(fields)]):
        left[:end] = np.arange(end, 0, -1)
    return left


def _play(player, pasts, notes, seed, taste, label, aim=None, cells=None) -> list[np.ndarray]:
    if not len(pasts):
        return []
    # A generator each, so that one stream's chances do not depend on how many there are.
    randoms = [np.random.default_rng((*seed, stream)) for stream in range(len(pasts))]
    row, state = _before(player.network, pasts)
    fixed = {name: np.broadcast_to(np.float32(getattr(taste, name)), 4) for name in ("temperature", "top_p", "min_p")}
    fixed |= {"steadiness": np.float32([taste.steadiness])}
    pace = np.stack([tempo.tempo_state(past) for past in pasts])
    played, passed = [], np.zeros(len(pasts), np.int32)
    total, unit = (notes, " notes") if cells is None else (round(cells * FRAME_SECONDS), " s of music")
    with tqdm(total=total, desc=label, unit=unit, disable=label is None) as bar:
        for first in range(0, notes, NOTES_PER_CALL):
            given = {
                "draws": np.stack([random.random((NOTES_PER_CALL, _DRAWS), np.float32) for random in randoms], axis=1)
            }
            if aim is not None:
                # Notes beyond the last are drawn too, and thrown away.
                chunk = np.minimum(np.arange(first, first + NOTES_PER_CALL), notes - 1)
                given |= {name: values[chunk] for name, values in vars(aim).items()}
            x = fixed | {"row": row, "state": state, "pace": pace, "passed": passed, "notes": given}
            rows, pace, state = map(np.asarray, player.predict_on_batch(x))
            row = rows[-1]
            played.append(rows[..., :4].copy())  # or all other columns would be kept as well
            passed = passed + rows[..., STEP].sum(axis=0, dtype=np.int32)
            done = len(played) * NOTES_PER_CALL if cells is None else int(passed.min() * FRAME_SECONDS)
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
        rows = np.stack([np.concatenate([batching.padding_rows((1,)), batching.note_rows(fields)]) for fields in alike])
        state = np.zeros((2, len(alike), network.units), np.float32)
        if rows.shape[1] > 1:
            _, state = network.past(rows[:, :-1], [state[0], state[1]])
            state = np.stack([ops.convert_to_numpy(part) for part in state])
        return zip(rows[:, -1], state.transpose(1, 0, 2), strict=True)

    read = _read(pasts, reader)
    return np.stack([row for row, _ in read]).astype(np.int32), np.stack([state for _, state in read], axis=1)


def _ahead(network: BiLSTM, alike: Sequence[np.ndarray]) -> list[np.ndarray]:
    # Of futures of one length, from each note on: what the backward LSTM makes of it, and its first note.
    rows = np.stack([batching.note_rows(fields) for fields in alike])
    read = network.future(rows), features.future_note_features(rows)
    return [ops.convert_to_numpy(ops.cast(found, "float32")) for found in read]

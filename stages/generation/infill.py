"""Generate music that leads from a past to a future."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from keras import ops

from stages.generation.generator import GenerationTask, generate, map_by_length, notes_before
from stages.generation.sampling_config import UNMODIFIED_SAMPLING, SamplingConfig
from stages.model import features
from stages.model.bilstm import BiLSTM
from stages.model.history import note_rows
from stages.representation.grid_encoding import STEP, STEP_FRAMES

_SEED = 6  # tells the random numbers of infills from those of continuations


@dataclass(frozen=True)
class Gap:
    """A gap in a piece. Its times are frames counted from the last onset of the past.

    Attributes:
        past: the notes before the gap on the grid, int32, shape (notes, 4).
        future: the notes after it, at least one; the step of the first is not used.
        frames_to_future: the first onset of the future, at least 1.
        first_frame: the first frame in which a new onset may be, at least 0.
        end_frame: the frame before which all new onsets are, more than `first_frame`; None: `frames_to_future`.
    """

    past: np.ndarray
    future: np.ndarray
    frames_to_future: int
    first_frame: int = 0
    end_frame: int | None = None

    @property
    def onset_limit(self) -> int:
        """The frame before which all new onsets are."""
        return self.frames_to_future if self.end_frame is None else self.end_frame


@dataclass(frozen=True)
class InfillRequest:
    """Infills to generate.

    Attributes:
        gaps: the gaps to infill.
        num_notes: notes of each infill, at most; fewer fit where keys or frames run out.
    """

    gaps: Sequence[Gap]
    num_notes: int


def generate_infills(
    network: BiLSTM,
    request: InfillRequest,
    seed: int,
    config: SamplingConfig = UNMODIFIED_SAMPLING,
    progress: str | None = None,
) -> list[np.ndarray]:
    """Generate an infill of each gap. Seeds work as in `generate_continuations`.

    Args:
        network: the trained network.
        request: gaps and number of notes.
        seed: seed of the random numbers, at least 0.
        config: how notes are sampled; its biases are not used.
        progress: label of a progress bar, None: no bar.

    Returns:
        The new notes in each gap on the grid, int32, shape (notes, 4).
    """
    gaps = request.gaps
    if not gaps:
        return []
    # No step is longer than the longest. What the beginning of a gap takes more is added to the first step at the end.
    excess = np.array([max(gap.first_frame - (STEP_FRAMES - 1), 0) for gap in gaps], np.int32)
    future_outputs, next_notes = _read_futures(network, [gap.future for gap in gaps])
    task = GenerationTask(
        pasts=[gap.past for gap in gaps],
        num_notes=request.num_notes,
        seed=(seed, _SEED),
        config=config,
        infill_inputs={
            "future_outputs": future_outputs,
            "next_note": next_notes,
            "frames_to_future": np.array([gap.frames_to_future for gap in gaps], np.int32) - excess,
            "first_frame": np.array([gap.first_frame for gap in gaps], np.int32) - excess,
            "last_frame": np.array([gap.onset_limit - 1 for gap in gaps], np.int32) - excess,
        },
        progress=progress,
    )
    infills = generate(network, task)
    for fields, frames in zip(infills, excess, strict=True):
        fields[0, STEP] += frames
    return [notes_before(fields, gap.onset_limit) for fields, gap in zip(infills, gaps, strict=True)]


def _read_futures(network: BiLSTM, futures: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    # Of each future: the output of the backward LSTM at its first note, and the features of that note.
    def read(batch: list[np.ndarray]) -> Iterable[tuple[np.ndarray, np.ndarray]]:
        rows = np.stack([note_rows(fields) for fields in batch])
        results = network.read_future(rows), features.future_note_features(rows)
        return zip(*(ops.convert_to_numpy(ops.cast(result[:, 0], "float32")) for result in results), strict=True)

    outputs, next_notes = zip(*map_by_length(futures, read), strict=True)
    return np.stack(outputs), np.stack(next_notes)

"""Generate music that continues a prompt, or that starts from nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stages.generation.generator import GenerationTask, generate, notes_before
from stages.generation.sampling_config import UNMODIFIED_SAMPLING, SamplingConfig
from stages.model.bilstm import BiLSTM

_SEED = 4  # tells the random numbers of continuations from those of infills


@dataclass(frozen=True)
class ContinuationRequest:
    """Continuations to generate.

    Attributes:
        prompts: the notes before each continuation on the grid, int32, shape (notes, 4). After a prompt without notes
            the continuation is an improvisation, a piece from its beginning.
        num_notes: notes of each continuation, at most where `max_frames` is given.
        max_frames: length of the continuations, counted from the last onset of the prompt; None: no limit.
    """

    prompts: Sequence[np.ndarray]
    num_notes: int
    max_frames: int | None = None


def generate_continuations(
    network: BiLSTM,
    request: ContinuationRequest,
    seed: int,
    config: SamplingConfig = UNMODIFIED_SAMPLING,
    progress: str | None = None,
) -> list[np.ndarray]:
    """Generate a continuation of each prompt.

    The same seed and prompts give the same notes on the same type of machine. The notes of one continuation depend on
    the other prompts by rounding errors at most.

    Args:
        network: the trained network.
        request: prompts and length.
        seed: seed of the random numbers, at least 0.
        config: how notes are sampled.
        progress: label of a progress bar, None: no bar.

    Returns:
        The new notes after each prompt on the grid, int32, shape (notes, 4).
    """
    task = GenerationTask(
        pasts=request.prompts,
        num_notes=request.num_notes,
        seed=(seed, _SEED),
        config=config,
        max_frames=request.max_frames,
        progress=progress,
    )
    continuations = generate(network, task)
    if request.max_frames is None:
        return continuations
    return [notes_before(fields, request.max_frames) for fields in continuations]

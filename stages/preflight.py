"""Refuse, before the training, settings of `generate` that the test music in data/excerpts cannot satisfy.

Writes nothing. `generate` itself would fail too, but only after the training, and the remedy may be another split.
"""

from stages.generation.prompts import take_originals, take_prompts
from stages.params.generate import GenerateParams
from stages.utils.runner import run_stage


def main(generate: GenerateParams) -> None:
    """Take all prompts, and all music with gaps, that `generate` will take."""
    take_prompts(generate.continuations, generate.prompt_notes)
    take_originals(generate.infills, generate.prompt_notes, generate.gap_notes)


if __name__ == "__main__":
    run_stage(main, generate=GenerateParams)

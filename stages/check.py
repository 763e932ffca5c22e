"""Check all of params.yaml before any other stage runs, and before DVC clears what they made."""

from stages.datasets import catalog, splits
from stages.params.evaluate import EvaluateParams
from stages.params.excerpt import ExcerptParams
from stages.params.extract import ExtractParams
from stages.params.generate import GenerateParams
from stages.params.plot import PlotParams
from stages.params.render import RenderParams
from stages.params.train import TrainParams
from stages.utils import paths
from stages.utils.errors import InputError
from stages.utils.params_file import PARAMS, Section
from stages.utils.runner import run_stage
from stages.utils.yaml_io import read_yaml


class Params(Section):
    """All of params.yaml; one attribute a section, in the order of the file."""

    dataset: str
    extract: ExtractParams
    excerpt: ExcerptParams
    train: TrainParams
    evaluate: EvaluateParams
    generate: GenerateParams
    render: RenderParams
    plot: PlotParams


def main() -> None:
    """Check every section by itself, then the keys of different sections against one another, then the data set."""
    params = read_yaml(PARAMS, Params)
    check_consistency(params)
    folder = catalog.find_dataset(paths.DATA, params.dataset)
    if not catalog.read_record(folder):
        splits.list_own_files(folder)


def check_consistency(params: Params) -> None:
    """Refuse settings of different sections that contradict one another.

    Raises:
        InputError: an infill gap is longer than the network is trained for, or excerpts are too short for prompts.
    """
    _check_gaps(params.evaluate, params.train)
    _check_prompts(params.generate, params.excerpt)


def _check_gaps(evaluate: EvaluateParams, train: TrainParams) -> None:
    if max(evaluate.infill_gaps, default=0) > train.max_gap_notes:
        raise InputError(
            f"{PARAMS}: evaluate.infill_gaps = {evaluate.infill_gaps}: the network is trained for gaps of at most"
            f" train.max_gap_notes = {train.max_gap_notes} notes; leave longer ones out, or raise train.max_gap_notes"
        )


def _check_prompts(generate: GenerateParams, excerpt: ExcerptParams) -> None:
    prompt, gap, length = generate.prompt_notes, generate.gap_notes, excerpt.excerpt_notes
    if generate.continuations and prompt >= length:
        raise InputError(
            f"{PARAMS}: generate.prompt_notes = {prompt}: prompts are taken from excerpts of excerpt.excerpt_notes ="
            f" {length} notes, which must be longer; lower it, or raise excerpt.excerpt_notes"
        )
    if generate.infills and 2 * prompt + gap >= length:
        raise InputError(
            f"{PARAMS}: generate.prompt_notes = {prompt}: with generate.gap_notes = {gap}, infills need"
            f" {2 * prompt + gap} notes of excerpts of excerpt.excerpt_notes = {length}, which must be longer; lower"
            " one of the first two, or raise the last"
        )


if __name__ == "__main__":
    run_stage(main)

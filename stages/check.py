"""Check params.yaml before any other stage runs, and before DVC clears away what they made."""

from stages.utils.errors import InputError
from stages.utils.params import PARAMS, Params
from stages.utils.runner import run_stage


def main(params: Params) -> None:
    """Refuse keys that do not fit together; `run` has checked each by itself."""
    gaps, longest = params.evaluate.gaps, params.train.longest_gap
    if max(gaps, default=0) > longest:
        raise InputError(
            f"{PARAMS}: evaluate.gaps = {gaps}: the network learns gaps of at most train.longest_gap = {longest} notes;"
            " leave longer ones out, or raise train.longest_gap"
        )
    taken, prompt, gap = params.reference.notes, params.generate.prompt_notes, params.generate.gap_notes
    if params.generate.continuations and prompt >= taken:
        raise InputError(
            f"{PARAMS}: generate.prompt_notes = {prompt}: prompts are taken out of stretches of reference.notes ="
            f" {taken} notes, which must be longer; lower it, or raise reference.notes"
        )
    if params.generate.fillings and 2 * prompt + gap >= taken:
        raise InputError(
            f"{PARAMS}: generate.prompt_notes = {prompt}: it and generate.gap_notes = {gap} ask for {2 * prompt + gap}"
            f" notes around a gap, out of stretches of reference.notes = {taken}, which must be longer; lower one of"
            " them, or raise reference.notes"
        )


if __name__ == "__main__":
    run_stage(main)

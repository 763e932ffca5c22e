"""Sound for every sample.

Reads reports/samples/samples.json and notes.parquet; writes reports/audio/<name>.mp3, one file a sample.
"""

import json
from concurrent.futures import as_completed
from pathlib import Path

from tqdm import tqdm

from stages.audio import synthesizer
from stages.representation.note_table import read_notes
from stages.utils import process_pool
from stages.utils.atomic import atomic_directory
from stages.utils.params import Params
from stages.utils.runner import run_stage

SAMPLES = Path("reports/samples")
AUDIO = Path("reports/audio")


def main(params: Params) -> None:
    samples = json.loads((SAMPLES / "samples.json").read_text(encoding="utf-8"))
    notes = read_notes(SAMPLES / "notes.parquet")
    rate, loudness = params.render.sample_rate, params.render.loudness
    pool = process_pool.process_pool(min(len(samples), process_pool.cpu_count()) or 1)
    with atomic_directory(AUDIO) as folder:
        tasks = [
            pool.submit(
                synthesizer.write_mp3, notes[notes["piece"] == number], folder / f"{sample['name']}.mp3", rate, loudness
            )
            for number, sample in enumerate(samples)
        ]
        try:
            for task in tqdm(as_completed(tasks), total=len(samples), desc="render", unit="sample"):
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            pool.shutdown()


if __name__ == "__main__":
    run_stage(main)

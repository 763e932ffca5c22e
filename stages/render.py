"""Sound for every sample.

Reads reports/samples/samples.json and notes.parquet; writes reports/audio/<name>.mp3, one file a sample.
"""

import json
from concurrent.futures import as_completed
from pathlib import Path

from tqdm import tqdm

from stages.entry import run
from stages.music import audio, workers
from stages.music.notes import read_notes
from stages.music.renewing import renewing
from stages.settings import Settings

SAMPLES = Path("reports/samples")
AUDIO = Path("reports/audio")


def main(params: Settings) -> None:
    samples = json.loads((SAMPLES / "samples.json").read_text(encoding="utf-8"))
    notes = read_notes(SAMPLES / "notes.parquet")
    rate, loudness = params.render.sample_rate, params.render.loudness
    pool = workers.pool(min(len(samples), workers.count()) or 1)
    with renewing(AUDIO) as folder:
        tasks = [
            pool.submit(
                audio.write_mp3, notes[notes["piece"] == number], folder / f"{sample['name']}.mp3", rate, loudness
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
    run(main)

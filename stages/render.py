"""Sound for every sample.

Reads reports/samples/samples.json and notes.parquet; writes reports/audio/<name>.mp3, one file a sample.
"""

import json
from pathlib import Path

import joblib
from tqdm import tqdm

from stages.entry import run
from stages.music import audio
from stages.music.notes import read_notes
from stages.music.renewing import renewing
from stages.settings import Settings

SAMPLES = Path("reports/samples")
AUDIO = Path("reports/audio")


def main(params: Settings) -> None:
    samples = json.loads((SAMPLES / "samples.json").read_text(encoding="utf-8"))
    notes = read_notes(SAMPLES / "notes.parquet")
    rate, loudness = params.render.sample_rate, params.render.loudness
    with renewing(AUDIO) as folder:
        played = joblib.Parallel(n_jobs=min(len(samples), joblib.cpu_count()) or 1, return_as="generator_unordered")(
            joblib.delayed(audio.write_mp3)(
                notes[notes["piece"] == number], folder / f"{sample['name']}.mp3", rate, loudness
            )
            for number, sample in enumerate(samples)
        )
        for _ in tqdm(played, total=len(samples), desc="render", unit="sample"):
            pass


if __name__ == "__main__":
    run(main)

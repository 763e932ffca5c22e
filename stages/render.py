"""Synthesize the samples as sound.

Reads reports/samples; writes reports/audio/<name>.mp3, one file for each sample in samples.json.
"""

from concurrent.futures import as_completed

from tqdm import tqdm

from stages.audio.synthesizer import write_mp3
from stages.params.render import RenderParams
from stages.samples.sample_set import read_samples
from stages.utils import paths
from stages.utils.atomic import atomic_directory
from stages.utils.process_pool import cpu_count, naming_killed_workers, process_pool
from stages.utils.runner import run_stage


def main(render: RenderParams) -> None:
    """Write an MP3 file for every sample, in parallel."""
    samples, notes = read_samples(paths.SAMPLES)
    pool = process_pool(min(len(samples), cpu_count()) or 1)
    with atomic_directory(paths.AUDIO) as folder:
        tasks = [
            pool.submit(
                write_mp3,
                notes[notes["piece"] == number],
                folder / f"{sample.name}.mp3",
                render.sample_rate,
                render.loudness_dbfs,
            )
            for number, sample in enumerate(samples)
        ]
        try:
            with naming_killed_workers():
                for task in tqdm(as_completed(tasks), total=len(samples), desc="render", unit="sample"):
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            pool.shutdown()


if __name__ == "__main__":
    run_stage(main, render=RenderParams)

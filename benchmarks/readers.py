"""One way of reading MIDI files, so that it can be timed as a whole process, from its start to its end.

    python -m benchmarks.readers pretty_midi < list-of-files

Prints how many notes it found, or tokens. The ways are the functions below.
"""

import sys
import tempfile
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path


def pretty_midi(files: list[str]) -> int:
    """The loop that most projects have."""
    return sum(map(_pretty_midi, files))


def pretty_midi_side_by_side(files: list[str]) -> int:
    """The same in as many processes as the extract stage would take."""
    from stages.utils import process_pool

    with ProcessPoolExecutor(process_pool.cpu_count()) as pool:
        return sum(pool.map(_pretty_midi, files, chunksize=4))


def _pretty_midi(file: str) -> int:
    import pretty_midi

    warnings.simplefilter("ignore")
    return sum(len(part.notes) for part in pretty_midi.PrettyMIDI(file).instruments if not part.is_drum)


def miditoolkit(files: list[str]) -> int:
    """Its parser, which is mido's."""
    from miditoolkit import MidiFile

    return sum(len(part.notes) for file in files for part in MidiFile(file).instruments if not part.is_drum)


def miditok(files: list[str]) -> int:
    """To tokens: REMI with its settings as they come."""
    import miditok

    tokenizer = miditok.REMI()
    return sum(len(one.ids) for file in files for one in tokenizer(file))


def symusic(files: list[str]) -> int:
    """The floor: parsing and nothing else, in one process."""
    import symusic

    return sum(len(track.notes) for file in files for track in symusic.Score(file).tracks if not track.is_drum)


def symusic_to_parquet(files: list[str]) -> int:
    """The floor of what extraction does: parse, and write what was parsed as it is."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    import symusic

    tracks = [track.notes.numpy() for file in files for track in symusic.Score(file).tracks]
    table = pa.concat_tables(pa.table(track) for track in tracks)
    with tempfile.TemporaryDirectory() as folder:
        pq.write_table(table, Path(folder, "notes.parquet"), compression="zstd")
    return len(table)


if __name__ == "__main__":
    print(globals()[sys.argv[1]](sys.stdin.read().splitlines()))

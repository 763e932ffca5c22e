"""Read MIDI files with one library, as a process of its own that can be timed from start to end.

    python -m benchmarks.midi_readers pretty_midi < list-of-files

Prints the number of notes, or of tokens. The argument is one of READERS.
"""

import sys
import tempfile
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path


def pretty_midi(files: list[str]) -> int:
    """Count the notes of files that pretty_midi parses one after the other."""
    return sum(map(_count_pretty_midi_notes, files))


def pretty_midi_parallel(files: list[str]) -> int:
    """Count the notes of files that pretty_midi parses in as many processes as the extract stage uses."""
    from stages.utils.process_pool import cpu_count

    with ProcessPoolExecutor(cpu_count()) as pool:
        return sum(pool.map(_count_pretty_midi_notes, files, chunksize=4))


def _count_pretty_midi_notes(file: str) -> int:
    import pretty_midi

    warnings.simplefilter("ignore")
    return sum(len(part.notes) for part in pretty_midi.PrettyMIDI(file).instruments if not part.is_drum)


def miditoolkit(files: list[str]) -> int:
    """Count the notes of files that miditoolkit parses, which uses mido."""
    from miditoolkit import MidiFile

    return sum(len(part.notes) for file in files for part in MidiFile(file).instruments if not part.is_drum)


def miditok(files: list[str]) -> int:
    """Count the tokens of MidiTok's REMI with its default configuration."""
    import miditok

    tokenizer = miditok.REMI()
    return sum(len(sequence.ids) for file in files for sequence in tokenizer(file))


def symusic(files: list[str]) -> int:
    """Count the notes of files that symusic parses in one process: a lower bound of the time to parse."""
    import symusic

    return sum(len(track.notes) for file in files for track in symusic.Score(file).tracks if not track.is_drum)


def symusic_to_parquet(files: list[str]) -> int:
    """Parse files with symusic and write the notes unchanged: a lower bound of the time to extract."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    import symusic

    tracks = [track.notes.numpy() for file in files for track in symusic.Score(file).tracks]
    table = pa.concat_tables(pa.table(track) for track in tracks)
    with tempfile.TemporaryDirectory() as folder:
        pq.write_table(table, Path(folder, "notes.parquet"), compression="zstd")
    return len(table)


READERS = {
    reader.__name__: reader
    for reader in (pretty_midi, pretty_midi_parallel, miditoolkit, miditok, symusic, symusic_to_parquet)
}


def main() -> None:
    """Read the files that standard input names with the reader that the first argument names."""
    if len(sys.argv) != 2 or sys.argv[1] not in READERS:
        sys.exit(f"usage: python -m benchmarks.midi_readers NAME, where NAME is one of: {', '.join(READERS)}")
    print(READERS[sys.argv[1]](sys.stdin.read().splitlines()))


if __name__ == "__main__":
    main()

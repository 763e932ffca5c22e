"""Fuzzing of the MIDI reader: thousands of invalid or odd files either raise MidiError or give valid note tables.

They are read in processes of their own, which must not crash, need a second for any file, or use much memory. With
FUZZ_INPUTS=20000 in the environment there are so many; each has a number, and the same number is the same file.
"""

import itertools
import multiprocessing
import os
import random
import resource
import signal
import zipfile
from collections import Counter

import numpy as np
import pytest

from stages.midi.midi_io import MAX_SECONDS, read_columns
from stages.midi.tempo_map import MidiError
from tests.helpers import midi_bytes
from tests.helpers.source_analysis import ROOT

INPUTS, PROCESSES = int(os.environ.get("FUZZ_INPUTS", 3000)), 2
MEMORY = 3 << 30  # bytes of address space; Python with its libraries uses about a third


def make_odd_file(rng: random.Random) -> bytes:
    """Return a well-formed file with content that is not music."""
    end = rng.choice([10, 1000, 1000, 10_000, 10_000, 100_000, 2**28 - 1])
    tracks = []
    for _ in range(rng.choice([1] * 20 + [2, 2, 5, 5, 0, 40])):
        events, keys = [], rng.choice([1, 3, 128])
        for _ in range(rng.choice([0, 1] + [10, 30, 100] * 8 + [1500])):
            tick = rng.randrange(end)
            events.append((tick, _make_message(rng, keys)))
        tracks.append(events)
    division = rng.choice([1, 24, 96, 480, 960, 32767] * 5 + [0, 0xE728, 0x8000, 0xFFFF])
    return midi_bytes.file(*tracks, kind=rng.choice([0, 1, 1, 1, 2, 3, 65535]), division=division)


def _make_message(rng: random.Random, keys: int) -> bytes:
    key, channel = rng.randrange(keys), rng.choice([0, 0, 0, 1, 9, 15])
    velocity = rng.choice([0, 1, 64, 127])
    return rng.choice(
        [
            midi_bytes.note_on(key, velocity, channel),
            midi_bytes.note_on(key, velocity, channel),
            midi_bytes.note_off(key, channel),
            midi_bytes.pedal(rng.choice([0, 63, 64, 127]), channel),
            midi_bytes.tempo(rng.choice([0, 1] + [300_000, 500_000, 2**24 - 1] * 9)),
            bytes([0xC0 | channel, rng.randrange(128)]),
            bytes([0xE0 | channel, rng.randrange(128), rng.randrange(128)]),
            b"\xff" + bytes([rng.randrange(1, 8)]) + _make_text(rng),
            b"\xf0\x03" + rng.randbytes(3),
        ]
    )


def _make_text(rng: random.Random) -> bytes:
    known = ["Étude".encode(), "夜想曲".encode("shift_jis"), "Ноктюрн".encode("cp1251"), b"\xff\xfe\x00"]
    text = rng.choice([*known, rng.randbytes(90)])
    return bytes([len(text)]) + text


def damage(rng: random.Random, content: bytes) -> bytes:
    """Return a file that is truncated, or has bytes changed, removed, inserted or repeated."""
    data = bytearray(content)
    for _ in range(rng.choice([1, 1, 1, 2, 10])):
        position = rng.randrange(min(len(data), rng.choice([30, 200, 1 << 20])) or 1)
        match rng.choice([0, 1, 1, 2, 2, 2, 3, 4, 5]):
            case 0:
                del data[position:]
            case 1:
                data[position : position + 1] = bytes([rng.randrange(256)])
            case 2:
                data[position : position + 1] = bytes([(data[position] if data else 0) ^ (1 << rng.randrange(8))])
            case 3:
                del data[position : position + rng.randrange(1, 9)]
            case 4:
                inserted = rng.choice([b"\xff", b"\x00", b"\x80", b"MTrk", b"\xff\x51\x03"])
                data[position:position] = inserted * rng.randrange(9)
            case 5:
                data[position:position] = data[position : position + rng.randrange(300)]
    return bytes(data)


def make_input(seed: int, real: list[bytes]) -> bytes:
    """Return the input with this number."""
    rng = random.Random(seed)
    content = make_odd_file(rng) if seed % 2 else rng.choice(real)
    return content if seed % 4 == 1 else damage(rng, content)


def real_files() -> list[bytes]:
    """Return the files to damage: the beginnings of some études, and a file of one note."""
    with zipfile.ZipFile(ROOT / "data/etudes/etudes.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".midi")]
        return [archive.read(name)[: 1 << 14] for name in names[:8]] + [
            midi_bytes.file([(0, midi_bytes.note_on(60)), (9, midi_bytes.note_off(60))])
        ]


def is_valid(columns: dict[str, np.ndarray]) -> bool:
    """Return whether columns obey the rules of stages.representation.note_table, without using that module."""
    start, pitch, velocity = (columns[name].astype(np.float64) for name in ("start", "pitch", "velocity"))
    position = list(zip(start, pitch, strict=True))
    return (
        len(start) > 0
        and all(len(values) == len(start) and np.isfinite(values).all() for values in columns.values())
        and all(before < after for before, after in itertools.pairwise(position))
        and start.min() >= 0
        and start.max() <= MAX_SECONDS
        and 0 <= pitch.min() <= pitch.max() <= 127
        and 1 <= velocity.min() <= velocity.max() <= 127
        and columns["key_duration"].astype(np.float32).min() > 0
        and columns["sounding_duration"].astype(np.float32).min() > 0
        and np.array_equal(columns["step"], np.diff(start, prepend=start[0]))
    )


def read_all(seeds, current, results) -> None:
    """Read many inputs.

    Args:
        seeds: numbers of the inputs.
        current: shared value that is set to the number of the input being read.
        results: queue for the number of inputs accepted and refused.
    """
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    real, counts = real_files(), Counter()
    for seed in seeds:
        current.value = seed
        data = make_input(seed, real)
        signal.setitimer(signal.ITIMER_VIRTUAL, 1)  # s of CPU time, after which the process is killed
        try:
            columns = read_columns(data)
        except MidiError as error:
            assert str(error) and "\n" not in str(error), seed
            counts["refused"] += 1
        else:
            assert is_valid(columns), seed
            counts["accepted"] += 1
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    results.put(counts)


@pytest.mark.slow
def test_reader_survives_all_inputs():
    context = multiprocessing.get_context("spawn")
    results, readers = context.SimpleQueue(), []
    for number in range(PROCESSES):
        current = context.Value("q", -1)
        seeds = range(number, INPUTS, PROCESSES)
        readers.append((context.Process(target=read_all, args=(seeds, current, results)), current))
    for process, _ in readers:
        process.start()
    for process, current in readers:
        process.join()
        assert process.exitcode == 0, f"input {current.value} ended the reader with {process.exitcode}"
    counts = results.get() + results.get()
    assert counts.total() == INPUTS
    assert counts["accepted"] > INPUTS / 10 and counts["refused"] > INPUTS / 10


@pytest.mark.parametrize("seed", [1, 2, 3, 7])
def test_input_is_reproducible_from_its_number(seed):
    real = real_files()
    assert make_input(seed, real) == make_input(seed, real)

"""Twenty thousand files that no program should have written: refused with the one exception, or good note tables.

They are read in a process of their own, which may not crash, work on any of them for a second or take much memory.
"""

import itertools
import multiprocessing
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

INPUTS, PROCESSES = 20_000, 2
MEMORY = 3 << 30  # bytes of address space; Python with its libraries takes about one


def wild(draw: random.Random) -> bytes:
    """A file whose form is right and whose content is not what anybody plays."""
    end = draw.choice([10, 1000, 1000, 10_000, 10_000, 100_000, 2**28 - 1])
    tracks = []
    for _ in range(draw.choice([1] * 20 + [2, 2, 5, 5, 0, 40])):
        events, keys = [], draw.choice([1, 3, 128])
        for _ in range(draw.choice([0, 1] + [10, 30, 100] * 8 + [1500])):
            tick, key, channel = draw.randrange(end), draw.randrange(keys), draw.choice([0, 0, 0, 1, 9, 15])
            force = draw.choice([0, 1, 64, 127])
            events.append(
                (
                    tick,
                    draw.choice(
                        [
                            midi_bytes.on(key, force, channel),
                            midi_bytes.on(key, force, channel),
                            midi_bytes.off(key, channel),
                            midi_bytes.pedal(draw.choice([0, 63, 64, 127]), channel),
                            midi_bytes.tempo(draw.choice([0, 1] + [300_000, 500_000, 2**24 - 1] * 9)),
                            bytes([0xC0 | channel, draw.randrange(128)]),
                            bytes([0xE0 | channel, draw.randrange(128), draw.randrange(128)]),
                            b"\xff" + bytes([draw.randrange(1, 8)]) + _text(draw),
                            b"\xf0\x03" + draw.randbytes(3),
                        ]
                    ),
                )
            )
        tracks.append(events)
    division = draw.choice([1, 24, 96, 480, 960, 32767] * 5 + [0, 0xE728, 0x8000, 0xFFFF])
    return midi_bytes.file(*tracks, kind=draw.choice([0, 1, 1, 1, 2, 3, 65535]), division=division)


def _text(draw: random.Random) -> bytes:
    known = ["Étude".encode(), "夜想曲".encode("shift_jis"), "Ноктюрн".encode("cp1251"), b"\xff\xfe\x00"]
    text = draw.choice([*known, draw.randbytes(90)])
    return bytes([len(text)]) + text


def damaged(draw: random.Random, whole: bytes) -> bytes:
    """A file cut off, with bytes changed, removed, repeated or put in."""
    data = bytearray(whole)
    for _ in range(draw.choice([1, 1, 1, 2, 10])):
        place = draw.randrange(min(len(data), draw.choice([30, 200, 1 << 20])) or 1)
        match draw.choice([0, 1, 1, 2, 2, 2, 3, 4, 5]):
            case 0:
                del data[place:]
            case 1:
                data[place : place + 1] = bytes([draw.randrange(256)])
            case 2:
                data[place : place + 1] = bytes([(data[place] if data else 0) ^ (1 << draw.randrange(8))])
            case 3:
                del data[place : place + draw.randrange(1, 9)]
            case 4:
                data[place:place] = draw.choice([b"\xff", b"\x00", b"\x80", b"MTrk", b"\xff\x51\x03"]) * draw.randrange(
                    9
                )
            case 5:
                data[place:place] = data[place : place + draw.randrange(300)]
    return bytes(data)


def made(seed: int, real: list[bytes]) -> bytes:
    """Input number `seed`."""
    draw = random.Random(seed)
    whole = wild(draw) if seed % 2 else draw.choice(real)
    return whole if seed % 4 == 1 else damaged(draw, whole)


def real_files() -> list[bytes]:
    """Files to damage: short études, and one that has no track, note or end it should have."""
    with zipfile.ZipFile(ROOT / "data/etudes/etudes.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".midi")]
        return [archive.read(name)[: 1 << 14] for name in names[:8]] + [
            midi_bytes.file([(0, midi_bytes.on(60)), (9, midi_bytes.off(60))])
        ]


def obeys_the_contract(columns: dict[str, np.ndarray]) -> bool:
    """What stages.representation.note_table says of a note table, checked without it."""
    start, pitch, velocity = (columns[name].astype(np.float64) for name in ("start", "pitch", "velocity"))
    place = list(zip(start, pitch, strict=True))
    return (
        len(start) > 0
        and all(len(values) == len(start) and np.isfinite(values).all() for values in columns.values())
        and all(before < after for before, after in itertools.pairwise(place))
        and start.min() >= 0
        and start.max() <= MAX_SECONDS
        and 0 <= pitch.min() <= pitch.max() <= 127
        and 1 <= velocity.min() <= velocity.max() <= 127
        and columns["duration"].astype(np.float32).min() > 0
        and columns["sustained"].astype(np.float32).min() > 0
        and np.array_equal(columns["step"], np.diff(start, prepend=start[0]))
    )


def read_all(seeds, at, results) -> None:
    """Read the inputs `seeds`; `at` tells which one is being read, `results` what came of all."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    real, counts = real_files(), Counter()
    for seed in seeds:
        at.value = seed
        data = made(seed, real)
        signal.setitimer(signal.ITIMER_VIRTUAL, 1)  # of the processor's time; when it is up the process ends
        try:
            columns = read_columns(data)
        except MidiError as error:
            assert str(error) and "\n" not in str(error), seed
            counts["refused"] += 1
        else:
            assert obeys_the_contract(columns), seed
            counts["accepted"] += 1
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    results.put(counts)


def test_nothing_brings_the_reader_down():
    context = multiprocessing.get_context("spawn")
    results, readers = context.SimpleQueue(), []
    for number in range(PROCESSES):
        at = context.Value("q", -1)
        readers.append((context.Process(target=read_all, args=(range(number, INPUTS, PROCESSES), at, results)), at))
    for process, _ in readers:
        process.start()
    for process, at in readers:
        process.join()
        assert process.exitcode == 0, f"input {at.value} ended the reader with {process.exitcode}"
    counts = results.get() + results.get()
    assert counts.total() == INPUTS
    assert counts["accepted"] > INPUTS / 10 and counts["refused"] > INPUTS / 10


@pytest.mark.parametrize("seed", [1, 2, 3, 7])
def test_an_input_can_be_made_again_from_its_number(seed):
    real = real_files()
    assert made(seed, real) == made(seed, real)

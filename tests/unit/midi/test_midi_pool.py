"""Reading of many files: in order, and whatever is in them."""

import os
import signal

import numpy as np
import pytest

from stages.midi import midi_file, midi_pool
from stages.midi.midi_io import read_columns
from stages.representation.note_table import NOTE_SCHEMA
from stages.utils.errors import InputError
from tests.helpers import midi_bytes


@pytest.fixture
def paths(tmp_path):
    """Files of one note each, with pitches 60, 61, ..."""
    found = [tmp_path / f"{number}.mid" for number in range(7)]
    for number, path in enumerate(found):
        path.write_bytes(
            midi_bytes.file([(0, midi_bytes.note_on(60 + number)), (10, midi_bytes.note_off(60 + number))])
        )
    return found


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(midi_pool, "FILES_PER_TASK", 2)


def pitches(results):
    """Return the pitch of each result, or the reason why there is none."""
    return [result if isinstance(result, str) else result["pitch"].tolist() for result in results]


def test_results_come_in_the_order_of_the_paths(paths):
    results = list(midi_pool.read_midi_files(paths))
    assert pitches(results) == [[60 + number] for number in range(7)]
    expected = read_columns(paths[0].read_bytes())
    for name, values in results[0].items():
        assert values.dtype == NOTE_SCHEMA.field(name).type.to_pandas_dtype()
        np.testing.assert_array_equal(values, expected[name].astype(values.dtype))
    assert set(results[0]) == set(expected)


def test_no_paths_give_no_results():
    assert list(midi_pool.read_midi_files([])) == []


def test_unusable_file_gives_a_reason(paths):
    paths[3].write_bytes(b"no MIDI")
    results = pitches(midi_pool.read_midi_files(paths))
    assert results[3].startswith("not a MIDI file")
    assert [*results[:3], *results[4:]] == [[60 + number] for number in (0, 1, 2, 4, 5, 6)]


def test_missing_file_raises_os_error(paths):
    paths[3].unlink()
    with pytest.raises(FileNotFoundError):
        list(midi_pool.read_midi_files(paths))


def test_killed_process_is_a_line_that_says_what_to_do(paths, monkeypatch):
    def read_batch(batch):  # nested, so that workers get this function and not its name
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(midi_pool, "read_batch", read_batch)
    with pytest.raises(InputError, match="was killed, as happens when memory runs out; set LOKY_MAX_CPU_COUNT"):
        list(midi_pool.read_midi_files(paths))


def test_file_that_is_too_long_gives_a_reason(paths):
    with paths[2].open("r+b") as file:
        file.truncate(midi_file.MAX_BYTES + 1)
    assert pitches(midi_pool.read_midi_files(paths))[2] == "is longer than 32 MB, so it is regarded as damaged"


def test_paths_are_taken_as_they_are_read(paths, monkeypatch):
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    monkeypatch.setattr(midi_pool, "TASKS_PER_WORKER", 2)
    taken = []
    results = midi_pool.read_midi_files(taken.append(path) or path for path in paths)
    next(results)
    assert len(taken) == 4  # two batches of two
    assert len(list(results)) == 6


def test_generator_can_be_left_early(paths):
    results = midi_pool.read_midi_files(paths)
    assert next(results)["pitch"].tolist() == [60]
    results.close()
    assert list(results) == []

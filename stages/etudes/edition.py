"""Writing of performances as MIDI files, and of the corpus as an archive with a table in the format of MAESTRO."""

import csv
import hashlib
import io
import zipfile

import mido

from stages.etudes.composition import compose
from stages.etudes.performance import Performance, perform
from stages.etudes.style import CHARACTERS, QUARTER

NAME = "etudes-v1"

COMPOSER = "Étude Generator"

NUMBERS = range(1, 6)
"""Numbers of the pieces of each character."""

FIRST_YEAR = 2021
"""Year of the pieces number 1; each number has its own year."""

COLUMNS = ("canonical_composer", "canonical_title", "split", "year", "midi_filename", "audio_filename", "duration")

README = """\
Sixty short piano pieces made by a seeded program and laid out like MAESTRO: a table, and MIDI files in a folder for
each year. The years only number the volumes: nobody composed, played or recorded anything, and the files in the column
audio_filename do not exist.
"""

LICENSE = """\
MIT License

Copyright (c) 2026 The bilstm-pianist authors

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def make_files() -> dict[str, bytes]:
    """Return the content of every file of the corpus by its path in the archive, sorted by path."""
    files, rows = {"LICENSE": LICENSE.encode(), "README": README.encode()}, []
    for index, character in enumerate(CHARACTERS):
        for number in NUMBERS:
            performance = perform(compose(character, number))
            year = FIRST_YEAR + number - NUMBERS[0]
            stem = f"{year}/{character.name.lower()}-{number}"
            split, seconds = assign_split(index, number), f"{performance.seconds:.6f}"
            files[f"{stem}.midi"] = make_midi(performance)
            rows.append((COMPOSER, performance.title, split, year, f"{stem}.midi", f"{stem}.wav", seconds))
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([COLUMNS, *sorted(rows, key=lambda row: row[4])])
    files[f"{NAME}.csv"] = table.getvalue().encode()
    return {f"{NAME}/{path}": files[path] for path in sorted(files)}


def assign_split(character: int, number: int) -> str:
    """Return the split of a piece: one of each character is held out, alternately for validation and test.

    Args:
        character: index of the character.
        number: number of the piece.
    """
    if NUMBERS[character % len(NUMBERS)] != number:
        return "train"
    return ("validation", "test")[character % 2]


def make_midi(performance: Performance) -> bytes:
    """Return a MIDI file of format 1: a track of tempo and time signature, and a track of piano."""
    numerator, denominator = performance.time_signature
    conductor = [(0, mido.MetaMessage("time_signature", numerator=numerator, denominator=denominator))]
    conductor += [(tick, mido.MetaMessage("set_tempo", tempo=tempo)) for tick, tempo in performance.tempos]
    # Order within a tick: note-offs, pedal, note-ons. A note-on of velocity 0 is a note-off that takes fewer bytes.
    piano = [(note.end, 0, mido.Message("note_on", note=note.pitch, velocity=0)) for note in performance.notes]
    piano += [(tick, 1, mido.Message("control_change", control=64, value=value)) for tick, value in performance.pedal]
    piano += [
        (note.start, 2, mido.Message("note_on", note=note.pitch, velocity=note.velocity)) for note in performance.notes
    ]
    piano.sort(key=lambda event: event[:2])
    heading = [(0, mido.MetaMessage("track_name", name=performance.title)), (0, mido.Message("program_change"))]
    file = mido.MidiFile(type=1, ticks_per_beat=QUARTER)
    for events in (conductor, [*heading, *((tick, message) for tick, _, message in piano)]):
        track, previous_tick = file.add_track(), 0
        for tick, message in events:
            track.append(message.copy(time=tick - previous_tick))
            previous_tick = tick
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


def make_archive(files: dict[str, bytes]) -> bytes:
    """Return a zip file of the files.

    They are stored without compression, since compressed bytes differ between versions of zlib.

    Args:
        files: content by path.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path, content in files.items():
            member = zipfile.ZipInfo(path)  # dated 1980-01-01
            member.create_system, member.external_attr = 3, 0o100644 << 16  # Unix, also when made on Windows
            archive.writestr(member, content)
    return buffer.getvalue()


def make_checksums(files: dict[str, bytes]) -> str:
    """Return the SHA-256 of each file in the format of sha256sum."""
    return "".join(f"{hashlib.sha256(content).hexdigest()}  {path}\n" for path, content in files.items())

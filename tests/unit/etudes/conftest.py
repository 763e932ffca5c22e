"""The étude corpus as it is committed: its files, its table, and what they contain."""

import csv
import io
import zipfile
from pathlib import Path

import mido
import pretty_midi
import pytest

FOLDER = Path("data/etudes")


@pytest.fixture(scope="session")
def archive_files() -> dict[str, bytes]:
    """Return the content of each file by its path in the archive."""
    with zipfile.ZipFile(FOLDER / "etudes.zip") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="session")
def table(archive_files) -> list[dict[str, str]]:
    """Return the rows of the table of pieces."""
    return list(csv.DictReader(io.StringIO(archive_files["etudes-v1/etudes-v1.csv"].decode())))


@pytest.fixture(scope="session")
def messages(archive_files, table) -> dict[str, mido.MidiFile]:
    """Return the MIDI messages of each piece by title."""
    files = {row["canonical_title"]: archive_files[f"etudes-v1/{row['midi_filename']}"] for row in table}
    return {title: mido.MidiFile(file=io.BytesIO(content)) for title, content in files.items()}


@pytest.fixture(scope="session")
def performances(messages) -> dict[str, pretty_midi.PrettyMIDI]:
    """Return each piece by title as pretty_midi reads it."""
    return {title: pretty_midi.PrettyMIDI(mido_object=file) for title, file in messages.items()}

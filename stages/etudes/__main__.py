"""Make the étude corpus: python -m stages.etudes

Writes data/etudes/etudes.zip and data/etudes/SHA256SUMS, with the same bytes on every machine, and prints the lines
about them that belong into data/etudes/dataset.yaml. The music is composed from scratch; nothing is copied from
existing music.

- stages.etudes.composition: from a character (waltz, march, ...) and a number to a score of chords, phrases and notes;
- stages.etudes.performance: from a score to a performance with timing, velocity, pedal and tempo;
- stages.etudes.edition: from performances to MIDI files, table and archive.
"""

import hashlib
from pathlib import Path

from stages.etudes import edition
from stages.utils.atomic import atomic_file

FOLDER = Path("data/etudes")


def main() -> None:
    """Write the archive and the checksums of its files."""
    files = edition.make_files()
    archive = edition.make_archive(files)
    for name, content in (("etudes.zip", archive), ("SHA256SUMS", edition.make_checksums(files).encode())):
        with atomic_file(FOLDER / name) as part:
            part.write_bytes(content)
    print(f"sha256: {hashlib.sha256(archive).hexdigest()}")
    print(f"unpacked_bytes: {sum(map(len, files.values()))}")


if __name__ == "__main__":
    main()

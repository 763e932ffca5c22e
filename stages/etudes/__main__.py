"""Make the étude corpus: python -m stages.etudes

Rewrites data/etudes/etudes.zip and data/etudes/SHA256SUMS, byte for byte the same on every machine, and prints what
data/etudes/dataset.yaml has to say of them. The music is composed from scratch; nothing is taken from anyone's.

    compose    a character (waltz, march, ...) and a number -> Score: chords, phrases and notes, exactly in time
    perform    Score -> Performance: keys, pedal and tempo
    edition    the performances -> MIDI files, table, archive
"""

import hashlib
from pathlib import Path

from stages.etudes import edition
from stages.utils.atomic import atomic_file

FOLDER = Path("data/etudes")


def main() -> None:
    files = edition.contents()
    archive = edition.archive(files)
    for name, content in (("etudes.zip", archive), ("SHA256SUMS", edition.sums(files).encode())):
        with atomic_file(FOLDER / name) as part:
            part.write_bytes(content)
    print(f"sha256: {hashlib.sha256(archive).hexdigest()}")
    print(f"unpacked_bytes: {sum(map(len, files.values()))}")


if __name__ == "__main__":
    main()

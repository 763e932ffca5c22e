"""MIDI files inside RIFF files, as Windows programs wrote them (.rmi)."""

import struct

from stages.midi.tempo_map import MidiError


def unwrap(data: bytes) -> bytes:
    """Return the MIDI file in a RIFF file, or the bytes as they are if they are no RIFF file.

    Source: IBM and Microsoft, Multimedia Programming Interface and Data Specifications 1.0, 1991: the form RMID, a
    sequence of chunks of even length. The chunk `data` holds the MIDI file; others hold titles or instruments.

    Args:
        data: the content of a file.

    Raises:
        MidiError: a RIFF file without a MIDI file in it.
    """
    if data[:4] != b"RIFF":
        return data
    position = 12 if data[8:12] == b"RMID" else len(data)
    while position + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, position)
        position += 8
        if kind == b"data":
            return data[position : position + length]
        position += length + length % 2
    raise MidiError("a RIFF file without a MIDI file in it")

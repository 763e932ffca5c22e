"""The notes of a MIDI file: which note-off ends which note, and how long the pedal sustains it.

All tracks are merged in order of time, events of one tick in order of tracks, as a synthesizer gets them. Notes and
pedal belong to their channel: a note-off ends every note of its key on its channel, and the pedal sustains every note
of its channel, whatever track and program they are on.
"""

from dataclasses import dataclass

import numpy as np

from stages.midi.midi_events import CONTROL_CHANGE, NOTE_OFF, NOTE_ON, SYSEX, Events

DRUM_CHANNEL = 9
"""Channel 10 of General MIDI, counted from 0."""

SUSTAIN_PEDAL, ALL_SOUND_OFF, RESET_CONTROLLERS, LOCAL_CONTROL = 64, 120, 121, 122
"""Controller numbers (MIDI 1.0). All from 120 on but 121 and 122 end the notes of their channel: 123 is all notes off,
and those above it, which change the mode of the channel, are so too. 121 lifts the pedal (MMA RP-015)."""

PEDAL_THRESHOLD = 64
"""The pedal is down at controller values from this one upwards."""

CHANNEL_SHIFT = 56
MAX_TICK = (1 << CHANNEL_SHIFT) - 1
"""Channel and tick are compared as one int64. No file is so long that a tick needs more bits."""

NEVER = np.iinfo(np.int64).max

NONE = -1
"""In place of a row where there is none."""


@dataclass(frozen=True)
class Notes:
    """Notes outside the drum channel that have an end, in order of onset. Times are in ticks.

    Attributes:
        channel: 0 to 15, uint8, shape (notes,).
        pitch: uint8, shape (notes,).
        velocity: 1 to 127, uint8, shape (notes,).
        onset: tick of the note-on, int64, shape (notes,).
        key_offset: tick of the note-off, later than the onset, int64, shape (notes,).
        sound_offset: tick at which key and pedal are up, int64, shape (notes,).
        note_on: the event that begins the note, counted through all tracks laid end to end; int64, shape (notes,).
        note_off: the event that ends it, likewise.
    """

    channel: np.ndarray
    pitch: np.ndarray
    velocity: np.ndarray
    onset: np.ndarray
    key_offset: np.ndarray
    sound_offset: np.ndarray
    note_on: np.ndarray
    note_off: np.ndarray


@dataclass(frozen=True)
class _Messages:
    """The events of all tracks in order of time.

    Attributes:
        number: of the event, counted through all tracks laid end to end; int64, shape (messages,).
        tick: int64, shape (messages,).
        status: uint8, shape (messages,).
        data1: pitch or controller number, uint8, shape (messages,).
        data2: velocity or value of a controller, uint8, shape (messages,).
    """

    number: np.ndarray
    tick: np.ndarray
    status: np.ndarray
    data1: np.ndarray
    data2: np.ndarray


def pair_notes(tracks: list[Events]) -> Notes:
    """Find which event ends each note of a file.

    A note-off ends the notes of its key and channel whose onset is at an earlier tick. If there is none, the notes of
    the same tick before it are dropped, since they have no length. Notes that never end are dropped as well.

    Args:
        tracks: the events of all tracks.
    """
    messages = _merge(tracks)
    is_controller = (messages.status & 0xF0 == CONTROL_CHANGE) & (messages.status & 0x0F != DRUM_CHANNEL)
    is_controller &= (messages.data1 == SUSTAIN_PEDAL) | (messages.data1 >= ALL_SOUND_OFF)
    controllers = np.flatnonzero(is_controller)
    note_on, note_off = _pair(messages, controllers)
    channel = messages.status[note_on] & 0x0F
    onset, key_offset = messages.tick[note_on], messages.tick[note_off]
    return Notes(
        channel=channel,
        pitch=messages.data1[note_on],
        velocity=messages.data2[note_on],
        onset=onset,
        key_offset=key_offset,
        sound_offset=_sound_offset(messages, controllers, channel, onset, key_offset),
        note_on=messages.number[note_on],
        note_off=messages.number[note_off],
    )


def _merge(tracks: list[Events]) -> _Messages:
    """Merge the tracks that have channel messages; events of one tick stay in the order of tracks."""
    parts, first = [], 0
    for events in tracks:
        number = np.arange(first, first + len(events.tick))
        parts.append((number, events.tick, events.status, events.data1, events.data2))
        first += len(number)
    parts = [part for part in parts if (part[2] < SYSEX).any()] or parts[:1]
    if len(parts) == 1:
        return _Messages(*parts[0])
    merged = [np.concatenate(values) for values in zip(*parts, strict=True)]
    order = np.argsort(merged[1], kind="stable")
    return _Messages(*(values[order] for values in merged))


def _pair(messages: _Messages, controllers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of `messages` in which each note begins and ends, in order of onset."""
    is_note = (messages.status & 0xE0 == NOTE_OFF) & (messages.status & 0x0F != DRUM_CHANNEL)  # on or off
    row = np.flatnonzero(is_note)
    key = _channel_and_pitch(messages, row)
    number = messages.data1[controllers]
    ends_all = (number >= ALL_SOUND_OFF) & (number != RESET_CONTROLLERS) & (number != LOCAL_CONTROL)
    if ends_all.any():
        row, key = _end_all_notes(messages, row, key, controllers[ends_all])
    order = np.argsort(key, kind="stable")
    key, tick, is_on = key[order], messages.tick[row][order], _is_note_on(messages, row)[order]
    on, off = np.flatnonzero(is_on), np.append(np.flatnonzero(~is_on), NONE)
    # The next note-off: before a note-on are as many of them as messages that are no note-on.
    end = off[on - np.arange(len(on))]
    end[key[end] != key[on]] = NONE
    coincides = tick[end] == tick[on]
    for coinciding_key in np.unique(key[on[coincides]]) if coincides.any() else ():
        first, last = np.searchsorted(key, [coinciding_key, coinciding_key + 1])
        ends = _pair_coinciding(tick[first:last].tolist(), is_on[first:last].tolist())
        end[key[on] == coinciding_key] = [NONE if place is None else first + place for place in ends]
    # Back in order of time: of each of these messages, which one ends it.
    ended_by = np.full(len(row), NONE)
    ended_by[order[on]] = np.append(order, NONE)[end]
    begins = np.flatnonzero(ended_by != NONE)
    return row[begins], row[ended_by[begins]]


def _is_note_on(messages: _Messages, row: np.ndarray) -> np.ndarray:
    """Return whether each row begins a note. A note-on of velocity 0 is a note-off."""
    return (messages.status[row] & 0xF0 == NOTE_ON) & (messages.data2[row] > 0)


def _channel_and_pitch(messages: _Messages, row: np.ndarray) -> np.ndarray:
    """Return one number for channel and pitch of each row, int16, which are sorted fastest."""
    return (messages.status[row] & 0x0F).astype(np.int16) << 7 | messages.data1[row]


def _end_all_notes(
    messages: _Messages, row: np.ndarray, key: np.ndarray, ending: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Add messages that end all notes of their channel to the others, once for each key that is down.

    Args:
        messages: all of them.
        row: rows of note-ons and note-offs.
        key: channel and pitch of each.
        ending: rows of the messages to add.

    Returns:
        Rows and keys, in order of rows.
    """
    is_on = _is_note_on(messages, row)
    added = []
    for channel in range(16):
        ending_of_channel = ending[messages.status[ending] & 0x0F == channel]
        on = is_on & (key >> 7 == channel)
        following = np.searchsorted(ending_of_channel, row[on])
        is_followed = following < len(ending_of_channel)
        added.append(np.unique(ending_of_channel[following[is_followed]] << 16 | key[on][is_followed]))
    added_row, added_key = np.divmod(np.concatenate(added), 1 << 16)
    row, key = np.append(row, added_row), np.append(key, added_key.astype(np.int16))
    order = np.argsort(row, kind="stable")
    return row[order], key[order]


def _pair_coinciding(tick: list[int], is_on: list[bool]) -> list[int | None]:
    """Return where the notes of one key end, given its messages in order, of which some have the same tick."""
    ends: dict[int, int | None] = {}
    down: list[int] = []
    for message, (time, begins) in enumerate(zip(tick, is_on, strict=True)):
        if begins:
            ends[message] = None
            down.append(message)
        else:
            ended = [note for note in down if tick[note] < time]
            ends |= dict.fromkeys(ended, message)
            down = [note for note in down if tick[note] == time] if ended else []
    return list(ends.values())


def _sound_offset(
    messages: _Messages, controllers: np.ndarray, note_channel: np.ndarray, onset: np.ndarray, key_offset: np.ndarray
) -> np.ndarray:
    """Return the tick at which each note is damped: once its key and the pedal of its channel are up."""
    number = messages.data1[controllers]
    pedal = controllers[(number == SUSTAIN_PEDAL) | (number == RESET_CONTROLLERS)]
    channel, tick = messages.status[pedal] & 0x0F, messages.tick[pedal]
    is_down = (messages.data1[pedal] == SUSTAIN_PEDAL) & (messages.data2[pedal] >= PEDAL_THRESHOLD)
    has_notes = np.zeros(16, np.bool_)
    has_notes[note_channel] = True
    last_tick = key_offset.max(initial=0)
    changes_of = {}
    for with_notes in np.flatnonzero(has_notes).tolist():
        of_channel = channel == with_notes
        ticks = tick[of_channel]
        last_tick = max([last_tick, *ticks[-1:]])
        changes_of[with_notes] = ticks[np.diff(is_down[of_channel], prepend=False)]
    # Times at which the pedal of each channel goes down, up, down, ..., up: after an odd number of them it is down.
    changes = [
        _by_channel(with_notes, np.append(ticks, last_tick) if len(ticks) % 2 else ticks)
        for with_notes, ticks in changes_of.items()
    ]
    all_changes = np.concatenate([*changes, [NEVER]])
    changes_before = np.searchsorted(all_changes, _by_channel(note_channel, key_offset), "right")
    sound_offset = np.where(changes_before & 1, all_changes[changes_before] & MAX_TICK, key_offset)
    silence = controllers[number == ALL_SOUND_OFF]
    if len(silence):
        silences = np.sort(_by_channel(messages.status[silence] & 0x0F, messages.tick[silence]))
        silences = np.append(silences, NEVER)
        next_silence = silences[np.searchsorted(silences, _by_channel(note_channel, onset), "right")]
        is_silenced = next_silence >> CHANNEL_SHIFT == note_channel
        sound_offset[is_silenced] = np.minimum(sound_offset, next_silence & MAX_TICK)[is_silenced]
    return sound_offset


def _by_channel(channel: np.ndarray | int, tick: np.ndarray) -> np.ndarray:
    """Return numbers that are in order of channel first, and then of tick."""
    return np.asarray(channel, np.int64) << CHANNEL_SHIFT | tick

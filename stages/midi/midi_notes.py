"""The notes of a MIDI file: which note-off ends which note, and how long the pedal sustains it.

All tracks are merged in order of time, events of one tick in order of tracks, as a synthesizer gets them. Notes and
pedal belong to their channel: a note-off ends every note of its key on its channel, and the pedal sustains every note
of its channel, whatever track and program they are on.
"""

from dataclasses import dataclass

import numpy as np

from stages.midi.midi_events import CONTROL_CHANGE, NOTE_OFF, NOTE_ON, Events

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


@dataclass(frozen=True)
class Notes:
    """Notes outside the drum channel that have an end, in order of onset. Times are in ticks.

    Attributes:
        channel: 0 to 15, uint8 `[notes]`.
        pitch: uint8 `[notes]`.
        velocity: 1 to 127, uint8 `[notes]`.
        onset: tick of the note-on, int64 `[notes]`.
        key_offset: tick of the note-off, later than the onset, int64 `[notes]`.
        sound_offset: tick at which key and pedal are up, int64 `[notes]`.
        note_on: the event that begins the note, counted through all tracks laid end to end; int64 `[notes]`.
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
    """The messages that matter here, of all tracks in order of time.

    Attributes:
        number: of the event, counted through all tracks laid end to end; int64 `[messages]`.
        tick: int64 `[messages]`.
        kind: status without the channel, uint8 `[messages]`.
        channel: uint8 `[messages]`.
        data1: pitch or controller, uint8 `[messages]`.
        data2: velocity or value, uint8 `[messages]`.
    """

    number: np.ndarray
    tick: np.ndarray
    kind: np.ndarray
    channel: np.ndarray
    data1: np.ndarray
    data2: np.ndarray

    @property
    def is_note_on(self) -> np.ndarray:
        """Whether each begins a note, bool `[messages]`. A note-on of velocity 0 is a note-off."""
        return (self.kind == NOTE_ON) & (self.data2 > 0)

    @property
    def is_control(self) -> np.ndarray:
        """Whether each is a control change, bool `[messages]`."""
        return self.kind == CONTROL_CHANGE


def pair_notes(tracks: list[Events]) -> Notes:
    """Find which event ends each note of a file.

    A note-off ends the notes of its key and channel whose onset is at an earlier tick. If there is none, the notes of
    the same tick before it are dropped, since they have no length. Notes that never end are dropped as well.

    Args:
        tracks: the events of all tracks.
    """
    messages = _merge(tracks)
    note_on, note_off = _pair(messages)
    columns = {
        "channel": messages.channel[note_on],
        "pitch": messages.data1[note_on],
        "velocity": messages.data2[note_on],
        "onset": messages.tick[note_on],
        "key_offset": messages.tick[note_off],
    }
    return Notes(
        **columns,
        sound_offset=_sound_offset(messages, columns["channel"], columns["onset"], columns["key_offset"]),
        note_on=messages.number[note_on],
        note_off=messages.number[note_off],
    )


def _merge(tracks: list[Events]) -> _Messages:
    """Merge the notes and controllers of all tracks; those of one tick stay in the order of tracks."""
    columns = zip(*((events.tick, events.status, events.data1, events.data2) for events in tracks), strict=True)
    tick, status, data1, data2 = (np.concatenate(values) for values in columns)
    kind, channel = status & 0xF0, status & 0x0F
    is_controller = (kind == CONTROL_CHANGE) & ((data1 == SUSTAIN_PEDAL) | (data1 >= ALL_SOUND_OFF))
    matters = ((kind == NOTE_ON) | (kind == NOTE_OFF) | is_controller) & (channel != DRUM_CHANNEL)
    number = np.flatnonzero(matters)
    if (np.diff(tick[number]) < 0).any():
        number = number[np.argsort(tick[number], kind="stable")]
    return _Messages(number, *(values[number] for values in (tick, kind, channel, data1, data2)))


def _pair(messages: _Messages) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of `messages` in which each note begins and ends, in order of onset."""
    row, key = _note_messages(messages)
    order = np.argsort(key, kind="stable")
    row, key = row[order], key[order]
    tick, is_on = messages.tick[row], messages.is_note_on[row]
    count = len(row)
    following_off = np.minimum.accumulate(np.where(is_on, count, np.arange(count))[::-1])[::-1]
    on = np.flatnonzero(is_on)
    off = following_off[on]
    off[np.append(key, -1)[off] != key[on]] = count  # it is another key's
    coincides = np.append(tick, -1)[off] == tick[on]
    for coinciding_key in np.unique(key[on[coincides]]):
        first, last = np.searchsorted(key, [coinciding_key, coinciding_key + 1])
        of_key = is_on[first:last]
        ends = _pair_coinciding(tick[first:last].tolist(), of_key.tolist())
        off[key[on] == coinciding_key] = [count if end is None else first + end for end in ends]
    has_end = off < count
    row_of_end = np.full(len(messages.tick), -1)
    row_of_end[row[on[has_end]]] = row[off[has_end]]
    note_on = np.flatnonzero(row_of_end >= 0)
    return note_on, row_of_end[note_on]


def _note_messages(messages: _Messages) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of `messages` that begin or end notes, in order, and for each a number for channel and pitch.

    A message that ends all notes of its channel comes once for each key that is down.
    """
    key = messages.channel.astype(np.int16) << 7 | messages.data1
    is_note = ~messages.is_control
    row = np.flatnonzero(is_note)
    ends_all = messages.is_control & (messages.data1 >= ALL_SOUND_OFF) & (messages.data1 != RESET_CONTROLLERS)
    ends_all &= messages.data1 != LOCAL_CONTROL
    if not ends_all.any():
        return row, key[row]
    pairs = []
    for channel in range(16):
        ending = np.flatnonzero(ends_all & (messages.channel == channel))
        on = np.flatnonzero(messages.is_note_on & (messages.channel == channel))
        following = np.searchsorted(ending, on)
        on, following = on[following < len(ending)], following[following < len(ending)]
        pairs.append(np.unique(ending[following] << 16 | key[on]))
    ending, key_ended = np.divmod(np.concatenate(pairs), 1 << 16)
    row, key = np.append(row, ending), np.append(key[row], key_ended.astype(np.int16))
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
    messages: _Messages, note_channel: np.ndarray, onset: np.ndarray, key_offset: np.ndarray
) -> np.ndarray:
    """Return the tick at which each note is damped: once its key and the pedal of its channel are up."""
    is_pedal = (messages.data1 == SUSTAIN_PEDAL) | (messages.data1 == RESET_CONTROLLERS)
    pedal = np.flatnonzero(messages.is_control & is_pedal)
    channel, tick = messages.channel[pedal], messages.tick[pedal]
    is_down = (messages.data1[pedal] == SUSTAIN_PEDAL) & (messages.data2[pedal] >= PEDAL_THRESHOLD)
    has_notes = np.bincount(note_channel, minlength=16) > 0
    last_tick = max(key_offset.max(initial=0), tick[has_notes[channel]].max(initial=0))
    # Times at which the pedal of each channel goes down, up, down, ..., up: after an odd number of them it is down.
    changes = []
    for number in np.flatnonzero(has_notes).tolist():
        of_channel = channel == number
        ticks = tick[of_channel][np.diff(is_down[of_channel], prepend=False)]
        changes.append(_by_channel(number, np.append(ticks, last_tick) if len(ticks) % 2 else ticks))
    all_changes = np.concatenate([*changes, [NEVER]])
    changes_before = np.searchsorted(all_changes, _by_channel(note_channel, key_offset), "right")
    sound_offset = np.where(changes_before & 1, all_changes[changes_before] & MAX_TICK, key_offset)
    silence = np.flatnonzero(messages.is_control & (messages.data1 == ALL_SOUND_OFF))
    if len(silence):
        silences = np.append(np.sort(_by_channel(messages.channel[silence], messages.tick[silence])), NEVER)
        next_silence = silences[np.searchsorted(silences, _by_channel(note_channel, onset), "right")]
        is_silenced = next_silence >> CHANNEL_SHIFT == note_channel
        sound_offset[is_silenced] = np.minimum(sound_offset, next_silence & MAX_TICK)[is_silenced]
    return sound_offset


def _by_channel(channel: np.ndarray | int, tick: np.ndarray) -> np.ndarray:
    """Return numbers that are in order of channel first, and then of tick."""
    return np.asarray(channel, np.int64) << CHANNEL_SHIFT | tick

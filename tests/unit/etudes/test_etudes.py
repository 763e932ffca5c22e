"""The étude corpus: the committed archive is what the program makes, and what it makes is music."""

import csv
import io
import zipfile
from collections import Counter
from itertools import groupby, pairwise
from pathlib import Path

import mido
import numpy as np
import pretty_midi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.datasets import catalog, splits
from stages.etudes import __main__
from stages.etudes.accompaniment import voices
from stages.etudes.composition import compose
from stages.etudes.edition import COLUMNS, NUMBERS
from stages.etudes.harmony import MODES, Key, chord
from stages.etudes.melody import join
from stages.etudes.performance import LEAD_IN, perform
from stages.etudes.style import CHARACTERS, MINOR_TONICS, PATTERNS, PERIODS, TONICS

FOLDER = Path("data/etudes")
SCORES = [compose(character, number) for character in CHARACTERS for number in NUMBERS]
PITCH_CLASSES = {name: pitch for names in (TONICS, MINOR_TONICS) for pitch, name in enumerate(names)}


def each(scores):
    return pytest.mark.parametrize("score", scores, ids=lambda score: score.title)


with_melody = each([score for score in SCORES if score.character.rhythms != "none"])
with_chords = each([score for score in SCORES if score.character.patterns != ("imitation",)])


@pytest.fixture(scope="module")
def packed() -> dict[str, bytes]:
    """Path in the archive -> content."""
    with zipfile.ZipFile(FOLDER / "etudes.zip") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def table(packed) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(packed["etudes-v1/etudes-v1.csv"].decode())))


@pytest.fixture(scope="module")
def messages(packed, table) -> dict[str, mido.MidiFile]:
    """By title: what is in the file."""
    files = {row["canonical_title"]: packed[f"etudes-v1/{row['midi_filename']}"] for row in table}
    return {title: mido.MidiFile(file=io.BytesIO(content)) for title, content in files.items()}


@pytest.fixture(scope="module")
def heard(messages) -> dict[str, pretty_midi.PrettyMIDI]:
    """By title: what another program makes of it."""
    return {title: pretty_midi.PrettyMIDI(mido_object=file) for title, file in messages.items()}


# -- the archive


def test_program_makes_the_committed_files(tmp_path, monkeypatch, capsys):
    committed = {name: (FOLDER / name).read_bytes() for name in ("etudes.zip", "SHA256SUMS")}
    entry = catalog.read_record(FOLDER)
    (tmp_path / FOLDER).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    __main__.main()
    assert {path.name: path.read_bytes() for path in FOLDER.iterdir()} == committed
    assert capsys.readouterr().out == f"sha256: {entry.sha256}\nunpacked_bytes: {entry.unpacked_bytes}\n"


def test_archive_does_not_depend_on_zlib_or_the_clock():
    with zipfile.ZipFile(FOLDER / "etudes.zip") as archive:
        for entry in archive.infolist():
            assert (entry.compress_type, entry.date_time[0], entry.create_system) == (zipfile.ZIP_STORED, 1980, 3)
    assert (FOLDER / "etudes.zip").stat().st_size < 400_000


def test_table_has_maestro_s_form_and_is_true(packed, table, messages, heard):
    assert tuple(table[0]) == COLUMNS
    files = {f"etudes-v1/{row['midi_filename']}" for row in table}
    assert len(table) == len(files) == 60
    assert files == {name for name in packed if name.endswith(".midi")}
    for row in table:
        assert row["midi_filename"].startswith(f"{row['year']}/")
        assert row["audio_filename"] == row["midi_filename"].replace(".midi", ".wav")
        assert messages[row["canonical_title"]].tracks[1].name == row["canonical_title"]
        piece = heard[row["canonical_title"]]
        assert float(row["duration"]) == pytest.approx(piece.get_end_time(), abs=1e-5)
        assert 45 < float(row["duration"]) < 121
        assert 250 <= len(piece.instruments[0].notes) <= 700


def test_splits_share_characters_but_no_title(table):
    titles = {split: [row["canonical_title"] for row in table if row["split"] == split] for split in splits.SPLITS}
    assert {split: len(names) for split, names in titles.items()} == {"train": 48, "validation": 6, "test": 6}
    assert len(set().union(*titles.values())) == 60
    characters = {split: Counter(name.split(" No. ")[0] for name in names) for split, names in titles.items()}
    assert set(characters["validation"]) | set(characters["test"]) == set(characters["train"])
    assert set(characters["train"].values()) == {4}


# -- what is played


@each(SCORES)
def test_keys_and_pedal_come_up(score, messages):
    down, pedal = set(), 0
    for message in messages[score.title].tracks[1]:
        if message.type == "note_on" and message.velocity:
            assert message.note not in down
            down.add(message.note)
            assert len(down) <= 10
        elif message.type == "note_on":
            down.remove(message.note)
        elif message.type == "control_change":
            pedal = message.value
    assert not down
    assert pedal == 0


@each(SCORES)
def test_playing_is_that_of_hands(score, heard):
    notes = heard[score.title].instruments[0].notes
    pitch, velocity, start, end = np.array([(note.pitch, note.velocity, note.start, note.end) for note in notes]).T
    assert pitch.min() >= 24
    assert pitch.max() <= 103
    assert np.mean((pitch >= 36) & (pitch <= 96)) > 0.9
    assert velocity.min() >= 18
    assert velocity.max() <= 120
    assert velocity.std() > 6
    assert (end - start).min() > 0.025
    assert (end - start).max() < 9
    # Nobody strikes two keys in the same millisecond all the time, nor keeps time like a clock.
    together = np.diff(np.sort(start))
    together = together[together < 0.05]
    assert len(together) < 30 or 0.002 < np.median(together) < 0.03
    assert len(set(np.round(end - start, 4))) > len(notes) / 4


@with_melody
def test_melody_is_louder_and_earlier_than_what_it_is_played_with(score):
    performance = perform(score)
    voice = {(note.start, note.pitch): note.voice for note in score.notes}
    beats = {note.start for note in score.notes if note.voice == "melody"} - {score.ending}
    played = {(note.pitch, note.start): note for note in performance.notes}
    late, louder = [], []
    for tick in beats:
        close = [note for (pitch, start), note in played.items() if abs(start - LEAD_IN - tick) < 30]
        melody = [note for note in close if voice.get((tick, note.pitch)) == "melody"]
        others = [note for note in close if voice.get((tick, note.pitch)) in ("bass", "inner")]
        late += [other.start - note.start for note in melody for other in others]
        louder += [note.velocity - other.velocity for note in melody for other in others]
    assert np.mean(late) > 5
    assert np.mean(louder) > 5


@each(SCORES)
def test_tempo_breathes_and_slows_down_at_the_end(score, messages):
    tempi = [message.tempo for message in messages[score.title].tracks[0][1:-1]]
    assert tempi[-1] > 1.2 * np.median(tempi)
    body = tempi[: -3 * score.character.metre[0]]
    assert 1.02 < max(body) / min(body) < 1.5


@each(SCORES)
def test_pedal_is_changed_just_after_the_chords(score):
    performance = perform(score)
    edges = np.array([span.start + LEAD_IN for span in score.harmony])
    milliseconds = 60_000 / (480 * score.tempo * score.character.beat // 480)
    for tick, value in performance.pedal[1:-1]:
        late = (tick - edges[edges <= tick][-1]) * milliseconds
        assert (9 <= late <= 42) if value == 0 else (88 <= late <= 152 and value >= 64)
    values = [value for _, value in performance.pedal]
    assert all((before == 0) != (after == 0) for before, after in pairwise(values[1:]))
    share = sum(value > 0 for value in values) / len(edges)
    assert share == pytest.approx(score.character.pedal, abs=0.25)


def test_swing_moves_second_eighths_to_two_thirds():
    blues = next(score for score in SCORES if score.character.swing)
    places = [(note.start - LEAD_IN) % 480 / 480 for note in perform(blues).notes]
    off_beat = [place for place in places if 0.2 < place < 0.9]
    assert len(off_beat) > 50
    assert np.median(off_beat) == pytest.approx(2 / 3, abs=0.04)


# -- what is written


@each(SCORES)
def test_spans_follow_each_other(score):
    assert score.harmony[0].start == 0
    assert score.harmony[0].chord.key == score.harmony[-1].chord.key == score.key
    assert all(before.end == after.start for before, after in pairwise(score.harmony))
    assert score.harmony[-1].end == score.ending + score.character.bar == score.phrases[-1].end


@each(SCORES)
def test_every_note_belongs_to_its_chord_or_scale_and_ends_with_it(score):
    walking = score.character.patterns[0] in ("walking", "imitation")
    for note in score.notes:
        current = score.harmony.at(note.start).chord
        pitch_class = (note.pitch - current.key.tonic) % 12
        scale = {offset % 12 for offset in current.offsets}
        tones = {current.offsets[member] % 12 for member in current.members}
        assert pitch_class in scale
        assert note.end <= score.harmony.at(note.start).end
        on_beat = note.start % score.character.beat == 0
        if note.voice == "melody" and on_beat:
            assert pitch_class in tones
        if note.voice in ("inner", "bass") and not walking:
            assert pitch_class in tones
        if note.voice == "bass" and score.character.patterns[0] == "walking":
            assert pitch_class in tones or note.start not in {span.start for span in score.harmony}


@with_chords
def test_every_chord_has_its_bass(score):
    basses = {note.start: note.pitch for note in reversed(score.notes) if note.voice == "bass"}
    for span in score.harmony:
        member = 0 if score.character.patterns[0] == "walking" else span.chord.inversion
        expected = (span.chord.key.tonic + span.chord.offsets[span.chord.members[member]]) % 12
        assert basses[span.start] % 12 == expected


@each(SCORES)
def test_it_ends_at_home(score):
    tonic = PITCH_CLASSES[score.title.split(" in ")[1].split()[0]]
    third = 3 if score.key.mode in ("minor", "dorian") else 4
    last = [note.pitch for note in score.notes if note.start == score.ending]
    assert {pitch % 12 for pitch in last} == {tonic, (tonic + third) % 12, (tonic + 7) % 12}
    assert min(last) % 12 == max(last) % 12 == tonic
    assert max(note.end for note in score.notes) == score.harmony[-1].end


@each(SCORES)
def test_melody_comes_to_rest_on_the_tonic(score):
    """Where a phrase closes with the tonic chord, the melody's last bar begins with the tonic."""
    rests = 0
    for phrase in score.phrases:
        tick = phrase.start + 3 * score.character.bar
        current = score.harmony.at(tick).chord
        sung = [note.pitch for note in score.notes if note.start == tick and note.voice == "melody"]
        if current.members[0] == 0 and sung:
            rests += 1
            assert {(pitch - current.key.tonic) % 12 for pitch in sung} == {0}
    assert rests or score.character.rhythms == "none" or score.character.family == "blues"


@each(SCORES)
def test_what_returns_is_recognised(score):
    """The first section comes again, in the same chords and with every accented note of its melody."""
    character, number = score.character, int(score.title.split("No. ")[1].split()[0])
    form = character.forms[(number - 1) % len(character.forms)]
    length = score.ending // len(form) if character.family != "blues" else 12 * character.bar
    again = form.index("A", 1) * length
    half = length // 2  # the way to another key may change the last bar

    def chords(start):
        return [span.chord for span in score.harmony if start <= span.start < start + half]

    def accents(start):
        return {
            (note.start - start, note.pitch)
            for note in score.notes
            if note.voice == "melody" and start <= note.start < start + half and note.start % character.beat == 0
        }

    assert chords(0) == chords(again)
    assert accents(0) <= accents(again)


@with_melody
def test_melody_moves_mostly_by_step_and_never_sticks(score):
    tops = [
        max(note.pitch for note in together)
        for _, together in groupby((note for note in score.notes if note.voice == "melody"), lambda note: note.start)
    ]
    moves = np.abs(np.diff(tops))
    assert np.mean(moves <= 4) > 0.5
    assert np.mean(moves == 0) < 0.4
    assert np.mean(moves > 12) < 0.06


@each(SCORES)
def test_notes_of_a_score_start_and_end_in_order(score):
    assert list(score.notes) == sorted(score.notes, key=lambda note: (note.start, note.pitch))
    assert all(note.start < note.end for note in score.notes)
    assert len({(note.start, note.pitch) for note in score.notes}) == len(score.notes)


def test_corpus_has_variety():
    assert {score.key.mode for score in SCORES} == set(MODES)
    assert len({score.key.tonic for score in SCORES}) == 12
    assert len({score.character.metre for score in SCORES}) == 3
    used = {name for character in CHARACTERS for name in character.patterns}
    assert used - {"walking", "imitation"} == set(PATTERNS)


# -- theory


@pytest.mark.parametrize(
    ("numeral", "key", "notes", "bass"),
    [
        ("I", "C major", "C E G", "C"),
        ("ii65", "C major", "D F A C", "F"),
        ("V7", "E-flat major", "B-flat D F A-flat", "B-flat"),
        ("V42", "C major", "G B D F", "F"),
        ("viio7/V", "C major", "F-sharp A C E-flat", "F-sharp"),
        ("V7/ii", "C major", "A C-sharp E G", "A"),
        ("V7/IV", "G major", "G B D F", "G"),
        ("V42/IV", "C major", "C E G B-flat", "B-flat"),
        ("iv6", "C major", "F A-flat C", "A-flat"),
        ("IV7", "A major", "D F-sharp A C", "D"),
        ("#ivo7", "A major", "E-flat F-sharp A C", "E-flat"),
        ("Imaj7", "D major", "D F-sharp A C-sharp", "D"),
        ("V", "A minor", "E G-sharp B", "E"),
        ("VII", "A minor", "G B D", "G"),
        ("#viio7", "A minor", "G-sharp B D F", "G-sharp"),
        ("bII6", "A minor", "B-flat D F", "D"),
        ("iiø7", "A minor", "B D F A", "B"),
        ("i64", "F minor", "F A-flat C", "C"),
        ("IV", "D dorian", "G B D", "G"),
        ("VII", "G mixolydian", "F A C", "F"),
    ],
)
def test_chords_are_spelled_as_in_the_textbook(numeral, key, notes, bass):
    tonic, mode = key.split()
    found = chord(numeral, Key(PITCH_CLASSES[tonic], mode))
    assert [found.pitch(member) % 12 for member in found.members] == [PITCH_CLASSES[note] for note in notes.split()]
    assert found.pitch(found.members[found.inversion]) % 12 == PITCH_CLASSES[bass]


CHORDS = [
    chord(numeral, Key(tonic, name.split()[-1]))
    for name, periods in PERIODS.items()
    for numeral in sorted({numeral for period in periods for phrase in period for numeral in phrase.split()} - {"|"})
    for tonic in range(12)
]
chords = st.sampled_from(CHORDS)


@given(chords, st.integers(20, 60))
def test_steps_rise_and_are_found_again(current, step):
    assert current.pitch(step) < current.pitch(step + 1)
    assert abs(current.step(current.pitch(step)) - step) <= 1
    assert current.holds(current.nearest(step))
    assert abs(current.nearest(step) - step) <= 2
    assert current.climb(current.climb(current.nearest(step), 3), -3) == current.nearest(step)


@pytest.mark.parametrize("voicing", ["close", "open", "wide", "keyboard"])
def test_voicings_hold_the_chord_in_the_hand_s_reach(voicing):
    for first in CHORDS[::13]:
        before = voices(first, voicing, [])
        for second in CHORDS:
            after = voices(second, voicing, before)
            tones = {second.pitch(member) % 12 for member in second.members}
            assert {pitch % 12 for pitch in after} <= tones
            assert after[0] >= 33
            assert after[0] % 12 == second.pitch(second.members[second.inversion]) % 12
            if voicing == "keyboard":
                assert {pitch % 12 for pitch in after[:4]} == tones
                assert after[0] < after[1] < after[2] < after[3] <= after[1] + 12
                assert after[4] >= 28
                assert after[5] in (after[0], after[0] - 12)
            else:
                assert after == sorted(set(after))


@given(chords, st.integers(30, 45), st.integers(-9, 9), st.integers(0, 15), st.sampled_from(["steps", "neighbours"]))
def test_fillings_reach_their_goal_by_step(current, left, leap, count, filling):
    line = join(left, left + leap, count, filling, current)
    assert len(line) == count
    if filling == "steps" and count:
        assert abs(line[-1] - (left + leap)) == 1
        assert all(abs(after - before) == 1 for before, after in pairwise(line))

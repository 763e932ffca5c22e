"""Material of the pieces: chord progressions, rhythms, accompaniment figures, and the characters that combine them."""

from dataclasses import dataclass

QUARTER = 480
"""Ticks per quarter note; scores count time in ticks."""

SIXTEENTH = QUARTER // 4

TONICS = ("C", "D-flat", "D", "E-flat", "E", "F", "F-sharp", "G", "A-flat", "A", "B-flat", "B")
MINOR_TONICS = ("C", "C-sharp", "D", "E-flat", "E", "F", "F-sharp", "G", "G-sharp", "A", "B-flat", "B")
"""Names of the tonics by pitch class: of major and mixolydian keys, and of minor and dorian ones."""

NEAR_KEYS = {
    "major": ((7, "major"), (5, "major"), (9, "minor"), (0, "minor")),  # dominant, subdominant, relative, parallel
    "minor": ((3, "major"), (5, "minor"), (8, "major")),  # relative, subdominant, submediant
    "dorian": ((3, "major"), (5, "dorian")),
    "mixolydian": ((5, "major"), (9, "minor")),
}
"""Keys of contrasting sections by the mode of the piece: semitones above its tonic, and mode."""

PERIODS = {
    "major": (
        ("I | IV | I6 ii6 | V", "I | IV | I64 V7 | I"),
        ("I | vi | ii6 | V7", "I | vi | ii65 V7 | I"),
        ("I V6 | vi | IV I6 | V", "I V6 | vi V7/IV | IV V7 | I"),
        ("I | V7/ii | ii | V7", "I6 | V7/ii | ii6 V7 | I"),
        ("I | iii | IV | V7", "vi | V7/V | I64 V7 | I"),
        ("I V43 | I6 | IV viio7/V | V", "I V43 | I6 V7/IV | IV V7 | I"),
        ("I | V42/IV | IV6 iv6 | I64 V", "I | V7/vi vi | ii65 V7 | I"),
        ("I IV | V7 I | vi V7/V | V", "I IV | V7 vi | ii6 V7 | I"),
        ("vi | ii | V7 | I", "IV | ii6 | V7 | I"),
    ),
    "minor": (
        ("i | iv | i6 iiø65 | V", "i | iv | i64 V7 | i"),
        ("i | VI | iv6 | V", "i | VI | iiø65 V7 | i"),
        ("i | VII6 | VI | V", "i | VII6 | iv V7 | i"),
        ("i | V7/iv | iv | V7", "VI | bII6 | i64 V7 | i"),
        ("i | VI | III | VII", "i | VI | iv V7 | i"),
        ("i V43 | i6 | iv viio7/V | V", "i V43 | i6 | iv V7 | i"),
        ("i | iv | VII7 | III", "VI | iiø7 | V7 | i"),
        ("i #viio7 | i | iv | V", "i V7/iv | iv | i64 V7 | i"),
    ),
    "dorian": (
        ("i | IV | i | VII", "i | IV | VII v | i"),
        ("i | III | IV | VII", "i VII | IV | v | i"),
        ("i7 | IV | i7 | IV", "III | VII | IV v7 | i"),
    ),
    "mixolydian": (
        ("I | VII | IV | I", "I | VII | IV V7 | I"),
        ("I | v | VII | IV", "I VII | IV | VII | I"),
    ),
    "lush major": (
        ("Imaj7 | IVmaj7 | Imaj7 | IVmaj7", "iii7 | vi7 | ii7 V7 | Imaj7"),
        ("Imaj7 | vi7 | ii7 | V7", "iii7 | vi7 | ii7 V7 | Imaj7"),
        ("I | V7/IV | IVmaj7 | iv", "I64 | V7/ii | ii7 V7 | I"),
    ),
    "lush minor": (
        ("i | VImaj7 | IIImaj7 | VII7", "i7 | iv7 | iiø7 V7 | i"),
        ("i7 | iv7 | VII7 | IIImaj7", "VImaj7 | iiø7 | V7 | i"),
    ),
    "blues major": (
        ("I7 | IV7 | I7 | I7", "IV7 | IV7 | I7 | I7", "V7 | IV7 | I7 | V7"),
        ("I7 | IV7 | I7 | v7 I7", "IV7 | #ivo7 | I7 | V7/ii", "ii7 | V7 | I7 V7/ii | ii7 V7"),
    ),
    "blues minor": (
        ("i7 | i7 | i7 | i7", "iv7 | iv7 | i7 | i7", "VI7 | V7 | i7 | V7"),
        ("i7 | iv7 | i7 | V7/iv", "iv7 | iv7 | i7 | i7", "iiø7 | V7 | i7 | iiø7 V7"),
    ),
}
"""Chord progressions by mode, or by family and mode: phrases of four bars, separated by |. The first phrase ends open,
mostly on the dominant; the last one closes. `harmony.chord` explains the numerals."""

RHYTHMS = {
    "none": ((),),
    "song 4": ((4, 4, 4, 4), (6, 2, 4, 4), (8, 4, 4), (4, 2, 2, 8), (6, 2, 6, 2), (4, 4, 6, 2), (-2, 2, 4, 4, 4)),
    "hymn 4": ((4, 4, 4, 4), (8, 4, 4), (4, 4, 8), (6, 2, 4, 4), (4, 2, 2, 4, 4)),
    "lively 4": ((2, 2, 2, 2, 4, 4), (4, 2, 2, 4, 4), (3, 1, 4, 2, 2, 4), (4, 1, 1, 2, 4, 4), (2, 1, 1, 2, 2, 4, 4)),
    "march 4": ((4, 3, 1, 4, 4), (3, 1, 3, 1, 4, 4), (3, 1, 4, 8), (4, 4, 3, 1, 4), (-3, 1, 4, 3, 1, 4)),
    "rag 4": ((2, 4, 2, 4, 4), (2, 2, 4, 2, 2, 4), (2, 4, 2, 2, 4, 2), (4, 2, 4, 2, 4), (-2, 2, 2, 4, 2, 4)),
    "blues 4": ((-2, 2, 2, 2, 4, 4), (2, 2, 4, 2, 2, 4), (4, 2, 2, 8), (2, 2, 2, 2, 8), (6, 2, -2, 2, 2, 2)),
    "run 4": ((1,) * 16,),
    "invention 4": ((-1, 1, 1, 1, 2, 2, 1, 1, 1, 1, 2, 2), (2, 2, 2, 2, 1, 1, 1, 1, 2, 2), (2, 1, 1, 2, 1, 1, 2, 2, 4)),
    "waltz 3": ((8, 4), (4, 4, 4), (6, 2, 4), (2, 2, 4, 4), (12,), (4, 8), (-4, 4, 4)),
    "sarabande 3": ((4, 6, 2), (4, 8), (4, 4, 4), (2, 2, 6, 2), (6, 2, 4)),
    "barcarolle 6": ((4, 2, 4, 2), (6, 4, 2), (4, 2, 6), (2, 2, 2, 6), (8, 2, 2)),
}
"""Rhythms of a bar of melody in sixteenths, negative for rests. Names end with the number of beats or eighths."""

CADENCES = {
    4: ((8, -4, 2, 2), (12, 4), (8, 8), (12, -4), (8, 4, 2, 2)),
    3: ((12,), (8, 4), (8, -4), (8, 2, 2)),
    6: ((12,), (10, 2), (6, -2, 2, 2), (8, -2, 2)),
}
"""Rhythms of the last bar of a phrase by numerator of the time signature. Notes after the long one are an upbeat to the
next phrase."""

PHRASE_ARCS = ((0, 1, 2, 1), (0, 2, 3, 1), (2, 1, 3, 0), (0, -1, 1, 0), (0, 1, -1, 1), (2, 0, 2, 1))
"""Level of each bar of a phrase, in degrees above the centre. A motif that returns at another level is a sequence."""

MOTIF_PLANS = ("aabc", "abac", "aabc", "aaac")
"""Motif of each bar of a phrase; c is the cadence."""

DYNAMICS = {"pp": 40, "p": 50, "mp": 59, "mf": 69, "f": 81, "ff": 93}
"""Velocity of the melody by dynamic."""


@dataclass(frozen=True)
class Pattern:
    """An accompaniment figure of one bar."""

    voicing: str  # see accompaniment.voice_chord
    unit: int  # sixteenths that each word of the figure lasts
    figure: str  # words of digits: the voices with an onset, 0 being the bass; _ prolongs the word before

    @property
    def alternate_voice(self) -> int | None:
        """Return the voice that alternates with the bass, if there is one."""
        return 4 if self.voicing == "keyboard" else None

    @property
    def bass_voices(self) -> tuple[int, ...]:
        """Return the voices that are basses."""
        return (0, 4, 5) if self.voicing == "keyboard" else (0,)


PATTERNS = {
    "alberti": Pattern("close", 2, "0 2 1 2 0 2 1 2"),
    "broken": Pattern("open", 2, "0 1 2 3 4 3 2 1"),
    "rocking": Pattern("open", 2, "0 2 3 2 1 2 3 2"),
    "pulse": Pattern("keyboard", 2, "0 123 123 123 4 123 123 123"),
    "hymn": Pattern("keyboard", 4, "0123 _ 0123 _"),
    "full hymn": Pattern("keyboard", 4, "0123 123 0123 123"),
    "block": Pattern("keyboard", 8, "0123 0123"),
    "oom-pah": Pattern("keyboard", 4, "0 123 4 123"),
    "stride": Pattern("keyboard", 4, "05 123 4 123"),
    "waltz": Pattern("keyboard", 4, "0 123 123"),
    "broken waltz": Pattern("open", 2, "0 1 2 3 2 1"),
    "sarabande": Pattern("keyboard", 4, "0 123 _"),
    "sarabande chords": Pattern("keyboard", 4, "0 123 123"),
    "barcarolle": Pattern("open", 2, "0 1 2 3 2 1"),
    "wide barcarolle": Pattern("open", 2, "0 2 3 4 3 2"),
    "prelude": Pattern("wide", 1, "0 1 2 3 4 2 3 4 0 1 2 3 4 2 3 4"),
    "prelude wave": Pattern("wide", 1, "0 1 2 3 4 3 2 1 0 2 3 4 5 4 3 2"),
}


@dataclass(frozen=True)
class Character:
    """What all pieces of one name have in common. Where several values are given, each piece or section draws one."""

    name: str
    time_signature: tuple[int, int]
    tempo: tuple[int, int]  # beats per minute, slowest and fastest; a beat is a dotted quarter in 6/8
    modes: tuple[str, ...]  # of piece 1, piece 2, ...
    forms: tuple[str, ...]  # of piece 1, piece 2, ...: a letter per section; sections that return are varied
    patterns: tuple[str, ...]  # of the sections A, B, C: one of PATTERNS, or "walking" or "imitation"
    rhythms: str  # one of RHYTHMS
    dynamics: tuple[str, ...]  # dynamics of the sections; the piece begins with the first one
    final_dynamic: str
    family: str = ""  # of PERIODS
    centre: int = 74  # MIDI number around which the melody begins
    held_fractions: tuple[float, float] = (1.0, 0.85)  # fraction of a note that its key is held: melody, accompaniment
    pedal_fraction: float = 1.0  # fraction of the chords with pedal
    rubato: float = 0.06  # fraction by which a phrase is slower at its end than in its middle
    accented_beat: int = 0  # beat, counted from 0, that is accented in addition to the first one
    swing: bool = False
    doublings: tuple[str, ...] = ("", "", "thirds")  # of the melody of a section, the first, second, third time
    figurations: tuple[str, ...] = ("stepwise", "stepwise", "neighbours", "arpeggio")  # see melody.Motif

    @property
    def beat(self) -> int:
        """Return the length of a beat in ticks."""
        return SIXTEENTH * (6 if self.time_signature[1] == 8 else 4)

    @property
    def bar(self) -> int:
        """Return the length of a bar in ticks."""
        return SIXTEENTH * 16 * self.time_signature[0] // self.time_signature[1]


CHARACTERS = (
    Character(
        "Nocturne", (4, 4), (66, 76), ("major", "minor", "major"), ("AABA",), ("broken", "rocking"), "song 4",
        ("p", "pp", "mp", "mf", "f"), "pp", "lush", rubato=0.12, doublings=("", "", "octaves"),
    ),
    Character(
        "Waltz", (3, 4), (144, 168), ("major", "minor", "major"), ("AABBACA", "ABACABA", "AABACAA"),
        ("waltz", "waltz", "broken waltz"), "waltz 3", ("p", "mp", "mf", "f"), "mf", centre=75,
        held_fractions=(0.95, 0.6), pedal_fraction=0.9, rubato=0.08,
    ),
    Character(
        "Sonatina", (4, 4), (112, 132), ("major", "major", "minor"), ("AABA", "ABAA"), ("alberti", "pulse"),
        "lively 4", ("mp", "p", "f"), "f", centre=76, held_fractions=(0.8, 0.8), pedal_fraction=0.3, rubato=0.03,
    ),
    Character(
        "Chorale", (4, 4), (76, 88), ("major", "minor", "dorian"), ("AAB", "ABA"), ("full hymn", "hymn"), "hymn 4",
        ("p", "mf", "f"), "p", centre=71, held_fractions=(1.0, 0.97), pedal_fraction=0.8, rubato=0.08,
    ),
    Character(
        "March", (4, 4), (104, 120), ("major", "mixolydian", "minor"), ("AABA", "ABAA"), ("oom-pah", "pulse"),
        "march 4", ("mf", "mp", "f", "ff"), "ff", centre=73, held_fractions=(0.7, 0.5), pedal_fraction=0.15,
        rubato=0.02, doublings=("", "thirds", "octaves"),
    ),
    Character(
        "Rag", (4, 4), (140, 160), ("major",), ("AABA", "ABAC"), ("stride",), "rag 4", ("mf", "mp", "f"), "f",
        held_fractions=(0.85, 0.5), pedal_fraction=0.25, rubato=0.02, doublings=("", "octaves", "thirds"),
    ),
    Character(
        "Blues", (4, 4), (96, 116), ("major", "major", "minor"), ("AAA", "ABA"), ("walking",), "blues 4",
        ("mp", "mf", "f"), "p", "blues", centre=73, held_fractions=(0.9, 0.9), pedal_fraction=0.1, rubato=0.02,
        swing=True, doublings=("thirds", "", "thirds"),
    ),
    Character(
        "Prelude", (4, 4), (66, 80), ("major", "minor", "major"), ("ABA",), ("prelude", "prelude wave"), "none",
        ("p", "mp", "mf", "f"), "pp", "lush", held_fractions=(1.0, 1.0), rubato=0.08,
    ),
    Character(
        "Barcarolle", (6, 8), (48, 58), ("minor", "major"), ("AABA", "ABAA"), ("barcarolle", "wide barcarolle"),
        "barcarolle 6", ("p", "mp", "mf", "f"), "pp", centre=73, rubato=0.1, doublings=("", "thirds", "thirds"),
    ),
    Character(
        "Toccata", (4, 4), (108, 122), ("minor", "major"), ("ABA",), ("block", "oom-pah"), "run 4",
        ("mf", "mp", "f", "ff"), "ff", held_fractions=(0.95, 0.8), pedal_fraction=0.5, rubato=0.03, doublings=("",),
        figurations=("arpeggio", "stepwise"),
    ),
    Character(
        "Sarabande", (3, 4), (76, 88), ("dorian", "minor", "major"), ("AABAA", "ABABA"),
        ("sarabande chords", "sarabande"), "sarabande 3", ("p", "pp", "mp", "mf"), "pp", "lush", rubato=0.1,
        accented_beat=1, doublings=("", "thirds", "octaves"),
    ),
    Character(
        "Invention", (4, 4), (80, 96), ("minor", "major"), ("ABA",), ("imitation",), "invention 4",
        ("mf", "mp", "f"), "f", centre=72, held_fractions=(0.85, 0.85), pedal_fraction=0.05, rubato=0.04,
        doublings=("",),
    ),
)  # fmt: skip

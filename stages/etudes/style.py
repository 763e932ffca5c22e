"""The vocabulary: progressions, rhythms, accompaniment figures, and the characters of pieces made of them."""

from dataclasses import dataclass

QUARTER = 480
"""Ticks of a quarter note; scores count time in ticks."""

SIXTEENTH = QUARTER // 4

TONICS = ("C", "D-flat", "D", "E-flat", "E", "F", "F-sharp", "G", "A-flat", "A", "B-flat", "B")
MINOR_TONICS = ("C", "C-sharp", "D", "E-flat", "E", "F", "F-sharp", "G", "G-sharp", "A", "B-flat", "B")
"""Names of the keys, also of dorian ones."""

NEAR_KEYS = {
    "major": ((7, "major"), (5, "major"), (9, "minor"), (0, "minor")),  # dominant, subdominant, relative, parallel
    "minor": ((3, "major"), (5, "minor"), (8, "major")),  # relative, subdominant, submediant
    "dorian": ((3, "major"), (5, "dorian")),
    "mixolydian": ((5, "major"), (9, "minor")),
}
"""Where a contrasting section may go: semitones up from the tonic, and mode."""

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
"""Chords by mode, or by family and mode: phrases of four bars, a bar between strokes. The first opens, to the dominant
mostly, the last closes. Numerals are explained at `harmony.chord`."""

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
"""Bars of melody in sixteenths, negative for rests, by character and metre."""

CADENCES = {
    4: ((8, -4, 2, 2), (12, 4), (8, 8), (12, -4), (8, 4, 2, 2)),
    3: ((12,), (8, 4), (8, -4), (8, 2, 2)),
    6: ((12,), (10, 2), (6, -2, 2, 2), (8, -2, 2)),
}

"""The bars that end phrases; what follows the long note is the next phrase's upbeat."""

ARCS = ((0, 1, 2, 1), (0, 2, 3, 1), (2, 1, 3, 0), (0, -1, 1, 0), (0, 1, -1, 1), (2, 0, 2, 1))
"""How many steps each bar of a phrase lies above its beginning: a motif that returns is a sequence."""

PLANS = ("aabc", "abac", "aabc", "aaac")
"""Which motif each bar of a phrase has; c is the cadence."""

DYNAMICS = {"pp": 40, "p": 50, "mp": 59, "mf": 69, "f": 81, "ff": 93}
"""Velocity of a melody note."""


@dataclass(frozen=True)
class Pattern:
    """An accompaniment figure of one bar.

    Each word lasts `unit` sixteenths; its digits are the voices of the voicing (`accompaniment.voices`) struck
    together, 0 the bass; `_` prolongs what is before.
    """

    voicing: str
    unit: int
    figure: str

    @property
    def alternate(self) -> int | None:
        """The voice that is the bass's alternate, if there is one."""
        return 4 if self.voicing == "keyboard" else None

    @property
    def basses(self) -> tuple[int, ...]:
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
    """What pieces of one name share; each draws from it."""

    name: str
    metre: tuple[int, int]
    tempo: tuple[int, int]  # beats a minute, slowest and fastest; a beat is a dotted quarter in 6/8
    modes: tuple[str, ...]  # of the first piece, the second, ...
    forms: tuple[str, ...]  # of the first piece, the second, ...: a letter a section; one that returns is varied
    patterns: tuple[str, ...]  # of the sections A, B, C: one of PATTERNS, or walking, or imitation
    rhythms: str  # one of RHYTHMS
    dynamics: tuple[str, ...]  # from which sections draw; the piece begins with the first
    finish: str  # the dynamic it ends with
    family: str = ""  # of PERIODS
    centre: int = 74  # MIDI number around which the melody begins
    touch: tuple[float, float] = (1.0, 0.85)  # share of its written length that a key is held: melody, accompaniment
    pedal: float = 1.0  # share of the chords that are pedalled
    rubato: float = 0.06  # share by which a phrase ends slower than it flows
    stress: int = 0  # the beat, counted from 0, that is leant on beside the first
    swing: bool = False
    doublings: tuple[str, ...] = ("", "", "thirds")  # of the melody, the first, second, third time it is heard
    fillings: tuple[str, ...] = ("steps", "steps", "neighbours", "arpeggio")  # see melody.Motif

    @property
    def beat(self) -> int:
        """Ticks."""
        return SIXTEENTH * (6 if self.metre[1] == 8 else 4)

    @property
    def bar(self) -> int:
        """Ticks."""
        return SIXTEENTH * 16 * self.metre[0] // self.metre[1]


CHARACTERS = (
    Character(
        "Nocturne", (4, 4), (66, 76), ("major", "minor", "major"), ("AABA",), ("broken", "rocking"), "song 4",
        ("p", "pp", "mp", "mf", "f"), "pp", "lush", rubato=0.12, doublings=("", "", "octaves"),
    ),
    Character(
        "Waltz", (3, 4), (144, 168), ("major", "minor", "major"), ("AABBACA", "ABACABA", "AABACAA"),
        ("waltz", "waltz", "broken waltz"), "waltz 3", ("p", "mp", "mf", "f"), "mf", centre=75, touch=(0.95, 0.6),
        pedal=0.9, rubato=0.08,
    ),
    Character(
        "Sonatina", (4, 4), (112, 132), ("major", "major", "minor"), ("AABA", "ABAA"), ("alberti", "pulse"),
        "lively 4", ("mp", "p", "f"), "f", centre=76, touch=(0.8, 0.8), pedal=0.3, rubato=0.03,
    ),
    Character(
        "Chorale", (4, 4), (76, 88), ("major", "minor", "dorian"), ("AAB", "ABA"), ("full hymn", "hymn"), "hymn 4",
        ("p", "mf", "f"), "p", centre=71, touch=(1.0, 0.97), pedal=0.8, rubato=0.08,
    ),
    Character(
        "March", (4, 4), (104, 120), ("major", "mixolydian", "minor"), ("AABA", "ABAA"), ("oom-pah", "pulse"),
        "march 4", ("mf", "mp", "f", "ff"), "ff", centre=73, touch=(0.7, 0.5), pedal=0.15, rubato=0.02,
        doublings=("", "thirds", "octaves"),
    ),
    Character(
        "Rag", (4, 4), (140, 160), ("major",), ("AABA", "ABAC"), ("stride",), "rag 4", ("mf", "mp", "f"), "f",
        touch=(0.85, 0.5), pedal=0.25, rubato=0.02, doublings=("", "octaves", "thirds"),
    ),
    Character(
        "Blues", (4, 4), (96, 116), ("major", "major", "minor"), ("AAA", "ABA"), ("walking",), "blues 4",
        ("mp", "mf", "f"), "p", "blues", centre=73, touch=(0.9, 0.9), pedal=0.1, rubato=0.02, swing=True,
        doublings=("thirds", "", "thirds"),
    ),
    Character(
        "Prelude", (4, 4), (66, 80), ("major", "minor", "major"), ("ABA",), ("prelude", "prelude wave"), "none",
        ("p", "mp", "mf", "f"), "pp", "lush", touch=(1.0, 1.0), rubato=0.08,
    ),
    Character(
        "Barcarolle", (6, 8), (48, 58), ("minor", "major"), ("AABA", "ABAA"), ("barcarolle", "wide barcarolle"),
        "barcarolle 6", ("p", "mp", "mf", "f"), "pp", centre=73, rubato=0.1, doublings=("", "thirds", "thirds"),
    ),
    Character(
        "Toccata", (4, 4), (108, 122), ("minor", "major"), ("ABA",), ("block", "oom-pah"), "run 4",
        ("mf", "mp", "f", "ff"), "ff", touch=(0.95, 0.8), pedal=0.5, rubato=0.03, doublings=("",),
        fillings=("arpeggio", "steps"),
    ),
    Character(
        "Sarabande", (3, 4), (76, 88), ("dorian", "minor", "major"), ("AABAA", "ABABA"),
        ("sarabande chords", "sarabande"), "sarabande 3", ("p", "pp", "mp", "mf"), "pp", "lush", rubato=0.1, stress=1,
        doublings=("", "thirds", "octaves"),
    ),
    Character(
        "Invention", (4, 4), (80, 96), ("minor", "major"), ("ABA",), ("imitation",), "invention 4",
        ("mf", "mp", "f"), "f", centre=72, touch=(0.85, 0.85), pedal=0.05, rubato=0.04, doublings=("",),
    ),
)  # fmt: skip

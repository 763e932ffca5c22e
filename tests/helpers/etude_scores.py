"""The scores of the étude corpus, and the chords that can occur in them."""

import pytest

from stages.etudes.composition import compose
from stages.etudes.edition import NUMBERS
from stages.etudes.harmony import Key, chord
from stages.etudes.style import CHARACTERS, MINOR_TONICS, PERIODS, TONICS

SCORES = [compose(character, number) for character in CHARACTERS for number in NUMBERS]
PITCH_CLASSES = {name: pitch for names in (TONICS, MINOR_TONICS) for pitch, name in enumerate(names)}

CHORDS = [
    chord(symbol, Key(tonic, name.split()[-1]))
    for name, periods in PERIODS.items()
    for symbol in sorted({symbol for period in periods for phrase in period for symbol in phrase.split()} - {"|"})
    for tonic in range(12)
]


def for_each(scores):
    """Parametrize a test with the scores."""
    return pytest.mark.parametrize("score", scores, ids=lambda score: score.title)


with_melody = for_each([score for score in SCORES if score.character.rhythms != "none"])
with_chords = for_each([score for score in SCORES if score.character.patterns != ("imitation",)])

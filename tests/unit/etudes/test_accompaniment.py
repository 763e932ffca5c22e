"""Voicings of chords."""

import pytest

from stages.etudes.accompaniment import voice_chord
from tests.helpers.etude_scores import CHORDS


@pytest.mark.parametrize("voicing", ["close", "open", "wide", "keyboard"])
def test_voicings_contain_the_chord_within_reach_of_the_hand(voicing):
    for first in CHORDS[::53]:
        before = voice_chord(first, voicing, [])
        for second in CHORDS:
            after = voice_chord(second, voicing, before)
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

"""The tables of the page follow from the CSV files."""

import numpy as np
import pandas as pd
import pytest

from stages.report import tables
from tests.helpers import sample_reports


def nll(**arguments) -> dict[str, dict[str, float]]:
    return tables.nested_values(sample_reports.nll(**arguments), "music", "note_field", "nll")


def test_the_best_epoch_has_the_lowest_validation_loss():
    summary = tables.summarize_training(sample_reports.loss())
    assert (summary.best_epoch, summary.epochs, summary.notes_seen) == (4, 5, 3_000_000)
    assert summary.best_validation_loss == pytest.approx(10)
    assert (summary.first_loss, summary.last_loss) == pytest.approx((13.2, 10.5))


def test_without_validation_the_best_epoch_has_the_lowest_training_loss():
    table = sample_reports.loss(validation=False)
    table.loc[1, "train_loss"] = 1
    summary = tables.summarize_training(table)
    assert summary.best_epoch == 2 and np.isnan(summary.best_validation_loss)


def test_of_equal_losses_the_first_is_the_best():
    assert tables.best_row(sample_reports.loss().assign(validation_loss=9.0))["epoch"] == 1


def test_nested_values_leave_out_missing_ones_and_keep_the_order():
    table = pd.DataFrame({"outer": ["b", "b", "a"], "inner": ["y", "x", "y"], "value": [1, np.nan, 3]})
    nested = tables.nested_values(table, "outer", "inner", "value")
    assert list(nested.items()) == [("b", {"y": 1}), ("a", {"y": 3})]


def test_this_network_stands_between_the_unigram_model_and_published_ones():
    rows = tables.nll_comparison(nll(), show_published=True)
    assert [(row.nll, row.css_class) for row in rows] == [
        (14.5, "baseline"),
        (9.5, "model"),
        (7.94, "published"),
        (7.42, "published"),
    ]
    assert len(tables.nll_comparison(nll(), show_published=False)) == 2
    assert tables.nll_comparison(nll(test=False), show_published=True) == []


def test_likelihoods_are_listed_by_music():
    samples = tables.nested_values(sample_reports.sample_nll(), "music", "note_field", "nll")
    rows = tables.nll_by_field(nll(), samples)
    assert {label: values["total"] for label, values in rows.items()} == {
        "test": 9.5,
        "validation": 9.25,
        "test, infill, gap of 1 note": 7.25,
        "test, infill, gap of 4 notes": 8.75,
        "test, unigram model": 14.5,
        "test, excerpts as long as a sample": 9.75,
        "the network's own improvisations": 8.25,
    }
    assert rows["test"]["velocity"] == pytest.approx(9.5 / 4)
    assert list(tables.nll_by_field(nll(test=False), {})) == ["validation"]


def test_overlaps_of_a_feature_are_one_row():
    table = sample_reports.overlap()
    rows = tables.overlap_rows(table)
    assert rows[0] == tables.OverlapRow("mean", 0.8, 0.9, 0.75, 0.85)
    assert [row.feature for row in rows] == ["mean", "pitch", "notes_per_second"]
    generated = table["music"] == "generated"
    assert np.isnan(tables.overlap_rows(table[~generated])[0].generated_area)


def test_descriptors_are_shown_as_fractions_or_numbers():
    descriptors = tables.nested_values(sample_reports.descriptors(), "descriptor", "music", "value")
    rows = tables.descriptor_rows(descriptors | {"new_descriptor": {"test": 1234.5}})
    assert rows[0] == ("notes with the pitch of the previous note", "3.1\u00a0%", "2.7\u00a0%")
    assert rows[1] == ("most successive notes of one pitch", "5", "–")  # noqa: RUF001
    assert rows[-1] == ("new descriptor", "–", "1.23e+03")  # noqa: RUF001
    assert len(rows) == 6  # not the size and number of excerpts

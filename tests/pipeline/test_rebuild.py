"""The whole pipeline through real `dvc repro`, in a temporary clone, on a cut-down étude corpus."""

import json
import sys
import zipfile

import pandas as pd
import pretty_midi
import pytest

from tests.helpers.dvc_clone import change, clone, commit, run
from tests.helpers.source_analysis import ROOT


def test_runs_from_nothing_to_the_page(rebuilt):
    repository, result = rebuilt
    assert result.returncode == 0, result.stderr[-3000:]
    names = {about["name"] for about in json.loads((repository / "reports/samples/samples.json").read_text("utf-8"))}
    assert names == {"improvisation-1", "continuation-1", "infill-1", "original-1"}
    for name in names:
        assert len((repository / f"reports/audio/{name}.mp3").read_bytes()) > 5000
    for figure in ("loss", "distributions"):
        assert (repository / f"reports/figures/{figure}.png").read_bytes().startswith(b"\x89PNG")
    assert "improvisation-1" in (repository / "reports/index.html").read_text("utf-8")


def test_a_second_run_does_nothing(rebuilt):
    repository, _ = rebuilt
    result = run("dvc", "repro", cwd=repository)
    assert result.returncode == 0
    assert "Running stage" not in result.stdout
    assert "Data and pipelines are up to date." in result.stdout


def test_git_sees_the_lock_and_the_reports_and_nothing_else(rebuilt):
    repository, _ = rebuilt
    changed = {line[3:] for line in run("git", "status", "--porcelain", "-uall", cwd=repository).stdout.splitlines()}
    reports = ["corpus.json", "loss.json", "nll.json", "overlap.json"]
    reports += ["splits.csv", "quantiles.csv", "loss.csv", "parameters.csv", "nll.csv", "overlap.csv"]
    reports += ["descriptors.csv", "distributions.csv", "sample_nll.csv"]
    expected = {"dvc.lock", *(f"reports/{name}" for name in reports)}
    changed.discard("reports/unreadable.csv")  # which lists no file here, nor in the committed run
    changed.discard("reports/environment.json")  # which says so where this machine is another than the committed run's
    assert {path for path in changed if not path.startswith("reports/figures/")} == expected


def test_the_likelihoods_are_those_of_a_distribution_over_the_grid(rebuilt):
    repository, _ = rebuilt
    metrics = json.loads((repository / "reports/nll.json").read_text("utf-8"))
    report = pd.read_csv(repository / "reports/nll.csv").pivot(index="music", columns="note_field", values="nll")
    for music in ("validation", "test", "unigram", "infill_gap_1"):
        fields = [report.loc[music, field] for field in ("step", "pitch", "duration", "velocity")]
        assert sum(fields) == pytest.approx(report.loc[music, "total"], abs=1e-3)
        assert 5 < report.loc[music, "total"] < 20  # ten updates do not make a pianist
    assert set(report.index) == {"validation", "test", "test_unshared_titles", "unigram", "infill_gap_1"}
    expected = {"val_nll": "validation", "test_nll": "test", "infill_nll": "infill_gap_1"}
    assert metrics == {key: pytest.approx(report.loc[music, "total"], abs=1e-4) for key, music in expected.items()}


def test_midi_and_note_table_of_a_sample_agree(rebuilt):
    repository, _ = rebuilt
    samples = json.loads((repository / "reports/samples/samples.json").read_text("utf-8"))
    table = pd.read_parquet(repository / "reports/samples/notes.parquet")
    for place, about in enumerate(samples):
        of_sample = table[table["piece"] == place]
        assert len(of_sample) == about["notes"]
        midi = pretty_midi.PrettyMIDI(str(repository / f"reports/samples/{about['name']}.mid"))
        (instrument,) = midi.instruments
        played = sorted((round(note.start, 3), note.pitch, note.velocity) for note in instrument.notes)
        expected = sorted((round(n.start, 3), n.pitch, n.velocity) for n in of_sample.itertuples())
        assert [note[1:] for note in played] == [note[1:] for note in expected]
        assert [note[0] for note in played] == pytest.approx([note[0] for note in expected], abs=0.002)
    generated = table.groupby("piece")["generated"].sum().tolist()
    most = {"improvisation": 60, "continuation": 60, "infill": 8, "original": 0}
    for found, about in zip(generated, samples, strict=False):
        # An infill has fewer notes where its gap ended early.
        assert found == most[about["kind"]] or (about["kind"] == "infill" and 0 < found < 8)
    assert generated[len(samples) :] == [60, 60]  # those without files


def test_an_infill_leaves_the_notes_around_it_unchanged(rebuilt):
    repository, _ = rebuilt
    samples = json.loads((repository / "reports/samples/samples.json").read_text("utf-8"))
    table = pd.read_parquet(repository / "reports/samples/notes.parquet")
    infill, original = (
        table[table["piece"] == place].reset_index(drop=True)
        for place, about in enumerate(samples)
        if about["kind"] in ("infill", "original")
    )
    columns = ["start", "sounding_duration", "pitch", "velocity"]
    around = original.drop(index=range(20, 28))[columns].reset_index(drop=True)
    kept = infill.loc[~infill["generated"], columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, around, atol=1e-9)
    new = infill[infill["generated"]]
    assert new["pitch"].tolist() != original.loc[20:27, "pitch"].tolist()
    assert original.loc[19, "start"] <= new["start"].min() and new["start"].max() <= original.loc[28, "start"]
    assert infill["start"].is_monotonic_increasing


@pytest.mark.parametrize(
    "command", [["metrics", "show"], ["plots", "show", "--json"], ["dag"], ["params", "diff"], ["status"]]
)
def test_dvc_commands_that_the_readme_names_work(rebuilt, command):
    repository, _ = rebuilt
    result = run("dvc", *command, cwd=repository)
    assert result.returncode == 0, result.stderr
    if command == ["metrics", "show"]:
        for name in ("corpus", "loss", "nll", "overlap"):
            assert f"reports/{name}.json" in result.stdout


@pytest.mark.parametrize(
    "old, new, says",
    [
        ("  lstm_units: 16", "  lstm_unitz: 16", "train.lstm_unitz: unknown key"),
        ("  lstm_units: 16", "  lstm_units: 3", "train.lstm_units = 3: must be greater than or equal to 8"),
        ("  lstm_units: 16", "  lstm_units: many", "train.lstm_units = 'many': must be a valid integer"),
        ("  sample_rate: 22050\n", "", "render.sample_rate: missing key"),
        ("  seed: 1\n", "  seed: 1\n  sead: 1\n", "sead: unknown key"),
        ("dataset: own/small", "dataset: nowhere", "dataset = 'nowhere': must be etudes, maestro, own for your own"),
        ("dataset: own/small", "dataset: ''", "dataset = '': must be etudes, maestro, own for your own files"),
        ("dataset: own/small", "dataset: .", "dataset = '.': must be etudes"),
        ("dataset: own/small", "dataset: raw", "dataset = 'raw': must be etudes"),
        ("dataset: own/small", "dataset: /srv/midi", "dataset = '/srv/midi': must be etudes"),
        ("dataset: own/small", "dataset: own/jazz", "dataset = 'own/jazz': there is no folder data/own/jazz; put .mid"),
    ],
)
def test_a_slip_in_params_is_one_line(rebuilt, old, new, says):
    repository, _ = rebuilt
    path = repository / "params.yaml"
    before = path.read_text(encoding="utf-8")
    assert old in before
    path.write_text(before.replace(old, new), encoding="utf-8")
    try:
        result = run(sys.executable, "stages", "check", cwd=repository)
    finally:
        path.write_text(before, encoding="utf-8")
    assert result.returncode == 1
    (line,) = result.stderr.strip().splitlines()
    assert says in line


def test_a_slip_in_params_costs_nothing(rebuilt):
    """DVC shows the line and stops, and what the stages had made is still there."""
    repository, _ = rebuilt
    path = repository / "params.yaml"
    before = path.read_text(encoding="utf-8")
    path.write_text(before.replace("  lstm_units: 16", "  lstm_units: 3"), encoding="utf-8")
    try:
        result = run("dvc", "repro", cwd=repository)
    finally:
        path.write_text(before, encoding="utf-8")
    assert result.returncode != 0
    assert "train.lstm_units = 3: must be greater" in result.stderr and "Traceback" not in result.stderr
    assert "Running stage" not in run("dvc", "repro", cwd=repository).stdout.replace("Running stage 'check'", "")
    assert (repository / "models/bilstm.keras").exists()


def test_own_files_are_a_data_set_and_changes_are_noticed(tmp_path):
    repository = clone(tmp_path)
    own = repository / "data/own"
    with zipfile.ZipFile(ROOT / "data/etudes/etudes.zip") as whole:
        pieces = [whole.read(name) for name in whole.namelist() if name.endswith(".midi")]
        for at, piece in enumerate(pieces[:12]):
            target = own / ("deep/er" if at % 2 else ".") / f"{at}.{'mid' if at % 3 else 'midi'}"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(piece)
    (own / "broken.mid").write_bytes(b"MThd\0\0\0\6 no more")
    (own / "notes.txt").write_text("not music")
    change(
        repository,
        dataset="own",
        extract={"validation_fraction": 0.2, "test_fraction": 0.2, "max_unreadable_fraction": 0.1},
    )
    commit(repository)

    def extracted():
        result = run("dvc", "repro", "extract", cwd=repository)
        assert result.returncode == 0, result.stderr
        return set(pd.read_parquet(repository / "data/notes/pieces.parquet")["file"]), result.stdout

    files, _ = extracted()
    assert len(files) == 12 and "deep/er/1.mid" in files
    assert pd.read_csv(repository / "reports/unreadable.csv")["file"].tolist() == ["broken.mid"]
    assert "didn't change, skipping" in extracted()[1]

    splits = pd.read_parquet(repository / "data/notes/pieces.parquet").set_index("file")["split"]
    (own / "more.mid").write_bytes(pieces[12])
    (own / "deep/er/3.midi").unlink()
    (own / "0.midi").write_bytes(pieces[13])
    assert extracted()[0] == files - {"deep/er/3.midi"} | {"more.mid"}
    after = pd.read_parquet(repository / "data/notes/pieces.parquet").set_index("file")["split"]
    unchanged = list(files - {"0.midi", "deep/er/3.midi"})
    assert (splits[unchanged] == after[unchanged]).all()

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
    assert names == {"improvisation-1", "continuation-1", "filling-1", "original-1"}
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
    reports = ["corpus.json", "training.json", "loss.csv", "likelihood.json", "similarity.json", "distributions.csv"]
    expected = {"dvc.lock", *(f"reports/{name}" for name in reports)}
    changed.discard("reports/environment.json")  # which says so where this machine is another than the committed run's
    assert {path for path in changed if not path.startswith("reports/figures/")} == expected


def test_every_note_of_a_split_is_scored_and_every_figure_is_a_number(rebuilt):
    repository, _ = rebuilt
    report = json.loads((repository / "reports/likelihood.json").read_text("utf-8"))
    for split in ("validation", "test"):
        notes = pd.read_parquet(repository / f"data/notes/{split}.parquet")
        assert report["notes"][split] == len(notes) > 300
        fields = [report[split][field] for field in ("step", "pitch", "duration", "velocity")]
        assert sum(fields) == pytest.approx(report[split]["total"], abs=1e-3)
    assert report["unigram"]["total"] > 5
    assert set(report["infill"]) == {"gap_1", "gap_4"}
    # Ten updates do not make a pianist, but the figures must be those of a distribution over the grid.
    assert 5 < report["test"]["total"] < 20


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
    most = {"improvisation": 60, "continuation": 60, "filling": 8, "original": 0}
    for found, about in zip(generated, samples, strict=False):
        # A filling has fewer notes where they found no room.
        assert found == most[about["kind"]] or (about["kind"] == "filling" and 0 < found < 8)
    assert generated[len(samples) :] == [60, 60]  # those that are only measured


def test_a_filling_leaves_what_is_around_it_as_it_was(rebuilt):
    repository, _ = rebuilt
    samples = json.loads((repository / "reports/samples/samples.json").read_text("utf-8"))
    table = pd.read_parquet(repository / "reports/samples/notes.parquet")
    filling, original = (
        table[table["piece"] == place].reset_index(drop=True)
        for place, about in enumerate(samples)
        if about["kind"] in ("filling", "original")
    )
    columns = ["start", "sustained", "pitch", "velocity"]
    around = original.drop(index=range(20, 28))[columns].reset_index(drop=True)
    kept = filling.loc[~filling["generated"], columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, around, atol=1e-9)
    new = filling[filling["generated"]]
    assert new["pitch"].tolist() != original.loc[20:27, "pitch"].tolist()
    assert original.loc[19, "start"] <= new["start"].min() and new["start"].max() <= original.loc[28, "start"]
    assert filling["start"].is_monotonic_increasing


@pytest.mark.parametrize(
    "command", [["metrics", "show"], ["plots", "show", "--json"], ["dag"], ["params", "diff"], ["status"]]
)
def test_dvc_commands_that_the_readme_names_work(rebuilt, command):
    repository, _ = rebuilt
    result = run("dvc", *command, cwd=repository)
    assert result.returncode == 0, result.stderr
    if command == ["metrics", "show"]:
        for name in ("corpus", "training", "likelihood", "similarity"):
            assert f"reports/{name}.json" in result.stdout


@pytest.mark.parametrize(
    "old, new, says",
    [
        ("  units: 16", "  unitz: 16", "train.unitz: unknown key"),
        ("  units: 16", "  units: 3", "train.units = 3: must be greater than or equal to 8"),
        ("  units: 16", "  units: many", "train.units = 'many': must be a valid integer"),
        ("  sample_rate: 22050\n", "", "render.sample_rate: missing key"),
        ("  seed: 1\n", "  seed: 1\n  sead: 1\n", "sead: unknown key"),
        ("dataset: cut", "dataset: nowhere", "nowhere"),
    ],
)
def test_a_slip_in_params_is_one_line(rebuilt, old, new, says):
    repository, _ = rebuilt
    path = repository / "params.yaml"
    before = path.read_text(encoding="utf-8")
    assert old in before
    path.write_text(before.replace(old, new), encoding="utf-8")
    try:
        result = run(sys.executable, "-m", "stages.download", cwd=repository)
        through_dvc = run("dvc", "repro", cwd=repository)
    finally:
        path.write_text(before, encoding="utf-8")
    assert result.returncode == 1
    (line,) = result.stderr.strip().splitlines()
    assert says in line
    assert through_dvc.returncode != 0
    assert says in through_dvc.stderr and "Traceback" not in through_dvc.stderr
    # Nothing was lost over it: what the stages had made is still there.
    assert "Running stage" not in run("dvc", "repro", cwd=repository).stdout.replace("Running stage 'check'", "")
    assert (repository / "models/bilstm.keras").exists()


def test_own_files_are_a_data_set_and_changes_are_noticed(tmp_path):
    repository = clone(tmp_path)
    own = repository / "data/mine"
    with zipfile.ZipFile(ROOT / "data/etudes/etudes.zip") as whole:
        pieces = [whole.read(name) for name in whole.namelist() if name.endswith(".midi")]
        for at, piece in enumerate(pieces[:12]):
            target = own / ("deep/er" if at % 2 else ".") / f"{at}.{'mid' if at % 3 else 'midi'}"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(piece)
    (own / "broken.mid").write_bytes(b"MThd\0\0\0\6 no more")
    (own / "notes.txt").write_text("not music")
    change(repository, dataset="mine", extract={"validation_share": 0.2, "test_share": 0.2, "bad_share": 0.1})
    commit(repository)

    def extracted():
        result = run("dvc", "repro", "extract", cwd=repository)
        assert result.returncode == 0, result.stderr
        return set(pd.read_parquet(repository / "data/notes/pieces.parquet")["file"]), result.stdout

    files, _ = extracted()
    assert len(files) == 12 and "deep/er/1.mid" in files
    report = json.loads((repository / "reports/corpus.json").read_text("utf-8"))
    assert report["unreadable"]["count"] == 1
    assert report["unreadable"]["files"][0]["file"] == "broken.mid"
    assert "didn't change, skipping" in extracted()[1]

    splits = pd.read_parquet(repository / "data/notes/pieces.parquet").set_index("file")["split"]
    (own / "more.mid").write_bytes(pieces[12])
    (own / "deep/er/3.midi").unlink()
    (own / "0.midi").write_bytes(pieces[13])
    assert extracted()[0] == files - {"deep/er/3.midi"} | {"more.mid"}
    after = pd.read_parquet(repository / "data/notes/pieces.parquet").set_index("file")["split"]
    unchanged = list(files - {"0.midi", "deep/er/3.midi"})
    assert (splits[unchanged] == after[unchanged]).all()

"""The trained model, taken by somebody who has no clone: by a version's name, an annotated tag, and by its path."""

from tests.helpers.dvc_clone import run


def test_a_version_by_name(shared, tmp_path):
    assert run("git", "tag", "-a", "bilstm@v1.0.0", "-m", "first", cwd=shared).returncode == 0
    got = run("dvc", "artifacts", "get", str(shared), "bilstm", "--out", "mine.keras", cwd=tmp_path)
    assert got.returncode == 0, got.stderr[-3000:]
    assert (tmp_path / "mine.keras").read_bytes() == (shared / "models/bilstm.keras").read_bytes()
    other = run("dvc", "artifacts", "get", str(shared), "bilstm", "--rev", "v2.0.0", "--out", "b.keras", cwd=tmp_path)
    assert other.returncode != 0 and not (tmp_path / "b.keras").exists()


def test_a_path(shared, tmp_path):
    got = run("dvc", "get", str(shared), "models/bilstm.keras", "--out", "mine.keras", cwd=tmp_path)
    assert got.returncode == 0, got.stderr[-3000:]
    assert (tmp_path / "mine.keras").read_bytes() == (shared / "models/bilstm.keras").read_bytes()

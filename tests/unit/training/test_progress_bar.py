"""What training prints."""

from stages.training.progress_bar import ProgressBar


def test_the_bar_counts_positions_from_where_training_resumed(capsys):
    with ProgressBar(total=320, initial=128) as bar:
        bar.advance(positions=32, loss=1.25)
        assert (bar.total, bar.initial, bar.n) == (320, 128, 160)
        bar.advance(positions=32, loss=1.0)
        assert bar.n == 192
    assert "loss 1.000" in capsys.readouterr().err

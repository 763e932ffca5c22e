"""Save models as files with reproducible bytes, and load them safely."""

import io
import json
import tempfile
import zipfile
from pathlib import Path

import keras

from stages.model.bilstm import BiLSTM
from stages.utils.atomic import atomic_file
from stages.utils.errors import InputError


def save_model(network: BiLSTM, path: Path) -> None:
    """Write `network` in the Keras format; the same weights always give the same bytes.

    Weights are rounded to float16, which halves the file, except those of the layers that make logits, which stay
    float32.

    Args:
        network: It may go on training afterwards.
        path: Ends in .keras; replaced atomically.
    """
    # A copy, since the network may train in another precision, and since Keras numbers the names of later instances.
    copy = BiLSTM(**network.get_config(), name="bilstm", dtype="float16")
    copy.set_weights(network.get_weights())
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "network.keras")
        copy.save(archive)
        content = _without_dates(archive)
    with atomic_file(path) as part:
        part.write_bytes(content)


def load_model(path: Path) -> BiLSTM:
    """Read a network that save_model wrote; it computes in float32. No code in the file is run.

    Raises:
        InputError: There is no such file, or it is not a model of this version.
    """
    if not path.is_file():
        raise InputError(f"{path}: no trained model there; `dvc repro train` makes one, `dvc pull {path}` fetches one")
    try:
        network = keras.saving.load_model(path, compile=False, safe_mode=True)
    except (ValueError, TypeError, KeyError, OSError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: not a model of this version; train it again ({reason})") from None
    if not isinstance(network, BiLSTM):
        raise InputError(
            f"{path}: a Keras model of another kind ({type(network).__name__}); train one with `dvc repro train`"
        )
    return network


def _without_dates(archive: Path) -> bytes:
    # Keras writes the date into the metadata, and zip the time of every member.
    packed = io.BytesIO()
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as target:
        for name in sorted(source.namelist()):
            content = source.read(name)
            if name == "metadata.json":
                content = json.dumps({"keras_version": keras.version(), "date_saved": "not recorded"}).encode()
            target.writestr(zipfile.ZipInfo(name), content)
    return packed.getvalue()

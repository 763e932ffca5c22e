"""The model file: saved with stable bytes, loaded safely."""

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
    """Write `network` in Keras' own format, with the same bytes whenever its weights are the same.

    Weights are rounded to float16, but for those of the last layers, to half the size of the file. Keras stamps its
    archives with the date; here the archive is packed again without.
    """
    # Another network, since this one may go on learning; without the number that Keras gives to a second of a name.
    plain = BiLSTM(**network.get_config(), name="bilstm", dtype="float16")
    plain.set_weights(network.get_weights())
    kept = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        stamped = Path(folder, "network.keras")
        plain.save(stamped)
        with zipfile.ZipFile(stamped) as old, zipfile.ZipFile(kept, "w", zipfile.ZIP_STORED) as new:
            for name in sorted(old.namelist()):
                content = old.read(name)
                if name == "metadata.json":
                    content = json.dumps({"keras_version": keras.version(), "date_saved": "not recorded"}).encode()
                new.writestr(zipfile.ZipInfo(name), content)
    with atomic_file(path) as part:
        part.write_bytes(kept.getvalue())


def load_model(path: Path) -> BiLSTM:
    """Read a network that `save` wrote; it calculates in float32. No code in the file is run.

    Raises InputError when there is none or it is of another make.
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

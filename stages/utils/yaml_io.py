"""YAML files checked against a pydantic model, with errors that a user can act on."""

import math
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from stages.utils.errors import InputError

Model = TypeVar("Model", bound=BaseModel)


class Record(BaseModel):
    """A block of keys in a YAML file: every key known and present, every value of exactly the declared type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def read_yaml(path: Path, model: type[Model]) -> Model:
    """Read a YAML file and validate it.

    Args:
        path: the file.
        model: the pydantic model of its whole content.

    Returns:
        The validated content.

    Raises:
        InputError: the file is missing or not YAML, or a key is unknown, missing, of the wrong type or out of range;
            one line that names the file and the first such key.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: not found; run this from the top folder of the repository") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{path}: {_explain(error, path, model)}") from None


def _explain(error: ValidationError, path: Path, model: type[BaseModel]) -> str:
    # An unknown key goes first: it is usually the typo behind a missing one.
    problems = sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
    first = problems[0]
    key = ".".join(map(str, first["loc"])) or "the file"
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    if first["type"] == "extra_forbidden":
        return f"{key}: unknown key; known here: {', '.join(_known_keys(first['loc'], model))}{more}"
    if first["type"] == "missing":
        return f"{key}: missing key; `git show HEAD:{path}` has an example{more}"
    message = first["msg"].removeprefix("Value error, ").removeprefix("Input ").replace("should", "must")
    if first["type"] == "model_type":
        message = "must be a block of keys"
    return f"{key} = {_as_written(first['input'])}: {message}{more}"


def _as_written(value: Any) -> str:
    if isinstance(value, str):
        return repr(value)  # in quotes, so that an empty one shows
    # As YAML has it: null, true, 2020-01-01; not as Python has it: None, True, datetime.date(2020, 1, 1).
    return (
        yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=math.inf)
        .removesuffix("\n...\n")
        .strip()
    )


def _known_keys(location: tuple[int | str, ...], model: Any) -> list[str]:
    for name in location[:-1]:
        model = model.model_fields[str(name)].annotation
    return list(model.model_fields)

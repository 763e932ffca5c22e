"""params.yaml: reading the sections that a stage declares in stages/params."""

from pathlib import Path
from typing import Any

from pydantic import ConfigDict, create_model

from stages.utils.yaml_io import Record, read_yaml

PARAMS = Path("params.yaml")


class Section(Record):
    """A section of params.yaml; each subclass in stages/params declares the keys of one stage and their ranges."""


def read_sections(path: Path = PARAMS, **types: Any) -> dict[str, Any]:
    """Read sections of the settings file and check them; other sections are left to the stages that read them.

    Args:
        path: the settings file.
        types: for each section to read, its type: a `Section`, or whatever pydantic can validate.

    Returns:
        The validated section for each name.

    Raises:
        InputError: see `yaml_io.read_yaml`.
    """
    if not types:
        return {}
    fields: dict[str, Any] = {name: (kind, ...) for name, kind in types.items()}
    model = create_model("Params", __config__=ConfigDict(extra="ignore", strict=True, allow_inf_nan=False), **fields)
    params = read_yaml(path, model)
    return {name: getattr(params, name) for name in types}

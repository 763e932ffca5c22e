#!/bin/sh
# Run a stage, as dvc.yaml does: `sh stages/run.sh NAME`. It takes the Python that DVC runs in, so that
# `.venv/bin/dvc repro` needs no activated environment. Where that cannot be told (no DVC, a DVC that is not run by a
# Python, no Linux), it takes the one on the path, which an activated environment puts there.
python=python
if [ -n "$DVC_STAGE" ]; then
    process=$PPID
    # The shell that DVC starts may or may not stand in between.
    while [ -r "/proc/$process/cmdline" ]; do
        program=$(tr '\0' '\n' <"/proc/$process/cmdline" | head -n 1)
        case ${program##*/} in python*) python=$program && break ;; esac
        process=$(sed -n 's/^PPid:[^0-9]*//p' "/proc/$process/status")
    done
    case $python in
        /*) ;;
        # Relative to where DVC was called, which need not be where this runs.
        */*) python=$(tr '\0' '\n' <"/proc/$process/environ" | sed -n 's/^PWD=//p')/$python ;;
    esac
fi
if ! command -v "$python" >/dev/null; then
    echo "error: there is no $python: activate the environment first, \`. .venv/bin/activate\`; \`make setup\` makes it" >&2
    exit 1
fi
exec "$python" stages "$1"

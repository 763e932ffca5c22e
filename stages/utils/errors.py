"""The one exception for input that cannot be used, and the line for what the operating system refuses."""

OUT_OF_MEMORY = "out of memory; end other programs, or run this on a machine with more"


class InputError(Exception):
    """Something the user gave cannot be used: a file, a setting, an option.

    The message is one line that names the file, key or row, says what is wrong and what to do. Stages and the command
    line print it without a traceback and exit with 1; every other exception is a defect of the program.
    """


def describe_os_error(error: OSError) -> str:
    """Return what went wrong in one line, after the name of the file where it is known."""
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason

"""The one exception for input that cannot be used."""


class InputError(Exception):
    """Something the user gave cannot be used: a file, a setting, an option.

    The message is one line that names the file, key or row, says what is wrong and what to do. Stages and the command
    line print it without a traceback and exit with 1; every other exception is a defect of the program.
    """

"""The exception for errors that the user has to fix."""


class InputError(ValueError):
    """Bad input, or a disk that cannot be written: one line for the person who runs it.

    The line names the key or file, the value, and what was expected. The command line prints it
    without a traceback and exits with 2.
    """

"""The exception for errors that the user can fix."""


class InputError(ValueError):
    """Bad input, or a file that cannot be written, described in one line for the user.

    The line names the key or file, the value, and what was expected. The command line prints it
    without a traceback and exits with code 2.
    """

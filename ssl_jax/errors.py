"""The one exception that means: the user asked for something that cannot be done."""


class InputError(ValueError):
    """Bad input: one line that names the key or file, the value, and what was expected.

    The command line prints it without a traceback and exits with 2.
    """

"""The errors genrec raises: one tree, so that a caller can catch as wide as it likes.

Every message says what was wrong, where, and what to do next. The command line prints the
message as one line and exits with code 2.

    GenrecError
    ├── ConfigError     a setting is unknown, of the wrong type, or contradicts another
    ├── DataError       an input file, row, user or item cannot be used
    ├── ArtifactError   something a stage wrote is missing, damaged, or made for another parent
    ├── PromptError     a template or a history cannot be rendered
    ├── DecodeError     the decoder cannot give what was asked
    └── EngineUnavailable   the engine does not answer now; ask again later
"""


class GenrecError(Exception):
    """Any fault that genrec can name."""


class ConfigError(GenrecError):
    """A setting is unknown, of the wrong type, or contradicts another."""


class DataError(GenrecError):
    """An input file, row, user or item cannot be used."""


class ArtifactError(GenrecError):
    """An artifact is missing, damaged, or was made for another parent."""


class PromptError(GenrecError):
    """A template or a history cannot be rendered."""


class DecodeError(GenrecError):
    """The decoder cannot give what was asked, for example more items than a filter leaves."""


class EngineUnavailable(GenrecError):
    """The engine does not answer now; the same question may be asked again later."""

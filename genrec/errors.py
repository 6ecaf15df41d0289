"""The errors genrec raises: one tree, so that a caller can catch as wide as it likes.

Every message says what was wrong, where, and what to do next. The command line prints the
message as one line and exits with code 2.

    GenrecError
    ├── ConfigError     a setting is unknown, of the wrong type, or contradicts another
    ├── DataError       an input file, row, user, item or argument cannot be used
    │   └── WrongTypeError  an argument has the wrong type; a TypeError, too
    ├── ArtifactError   something a stage wrote is missing, damaged, or made for another parent
    ├── TrainingError   a training cannot go on: its loss is not finite
    ├── PromptError     a template or a history cannot be rendered
    ├── DecodeError     the decoder cannot give what was asked
    │   └── TooFewItems     the filters leave fewer items than were asked for
    └── EngineUnavailable   the engine does not answer now; ask again later
"""


class GenrecError(Exception):
    """Any fault that genrec can name."""


class ConfigError(GenrecError):
    """A setting is unknown, of the wrong type, or contradicts another."""


class DataError(GenrecError):
    """An input file, row, user, item or argument cannot be used."""


class WrongTypeError(DataError, TypeError):
    """An argument has the wrong type."""


class ArtifactError(GenrecError):
    """An artifact is missing, damaged, or was made for another parent."""


class TrainingError(GenrecError):
    """A training cannot go on."""


class PromptError(GenrecError):
    """A template or a history cannot be rendered."""


class DecodeError(GenrecError):
    """The decoder cannot give what was asked."""


class TooFewItems(DecodeError):
    """The filters of a request leave fewer items than were asked for."""


class EngineUnavailable(GenrecError):
    """The engine does not answer now; the same question may be asked again later."""

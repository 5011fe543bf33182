"""Every error a user can meet, in one tree.

CodeComposeError            one clear line: what is wrong and what to do; the command line exits with 2
+-- InputError              a path, a position, an argument or a setting that cannot be used
+-- ModelError              a model on disk that is missing, corrupt, or of a kind we cannot serve
+-- EngineError             the engine failed while answering (out of memory, a crash of the runtime)
+-- BackendError            a remote backend refused, failed or timed out
+-- MissingExtraError       a command that needs an optional dependency
Cancelled                   not an error to show: the request was superseded or cancelled by the client
"""


class CodeComposeError(Exception):
    """Base of all errors shown to a user; `str(error)` is one line."""


class InputError(CodeComposeError):
    """Bad input: a path, a position, an argument or a setting."""


class ModelError(CodeComposeError):
    """A model on disk is missing, corrupt or unsupported."""


class EngineError(CodeComposeError):
    """The inference engine failed while it was answering."""


class BackendError(CodeComposeError):
    """A remote backend refused, failed or timed out."""


class MissingExtraError(CodeComposeError):
    """A command needs an optional dependency that is not installed."""

    def __init__(self, extra: str, package: str) -> None:
        super().__init__(f"this command needs {package}: pip install 'codecompose-ls[{extra}]'")


class Cancelled(Exception):
    """The request was superseded by a newer one or cancelled by the client."""

"""The command line: one module a command; parses, calls, prints; no logic.

A command module has HELP (one line), EXAMPLE, `add_arguments(parser)` and `run(args) -> int`. It is imported only when
it is asked for, so that `pretrain` runs where the server's dependencies are not installed and the server starts fast.
"""

from __future__ import annotations

import argparse
import errno
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from codecompose_ls import __version__
from codecompose_ls.errors import CodeComposeError

COMMANDS: dict[str, str] = {
    "lsp": "start the language server (stdio, or --tcp HOST:PORT)",
    "complete": "complete code at FILE:LINE:COL",
    "assist": "ask an assistant about code: explain, review, document, test, mend",
    "demo": "watch real code being completed as it is typed",
    "doctor": "check the environment and the model, and say how to mend what is wrong",
    "bench": "measure latencies, and what the index of a folder costs, against the budgets",
    "telemetry": "print what the suggestions were worth",
    "feedback": "print what you said of suggestions and assistants",
    "dashboard": "see what the suggestions were worth, as a page in the browser",
    "evaluate": "measure how well hidden lines, or those that a repository's history added, are completed",
    "serve": "serve the models over HTTP, in OpenAI's API",
    "tune": "tune a model on a project, prove it on the project's own history, and register it",
    "models": "list the models, let one answer in a workspace, roll back, export and import",
    "pretrain": "train a tokenizer and a base model from folders of source code",
}

#: Commands with a module of their own below another. A folder of that name is still reached as ./NAME.
SUBCOMMANDS: dict[tuple[str, str], str] = {("evaluate", "study"): "study"}

#: What a disk or a folder says that is full, read-only, or another user's.
_FULL_OR_CLOSED = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Exit status 0, 2 with one clear line for bad input, 130 when interrupted."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = _overview()
    if not arguments or arguments[0] not in COMMANDS:
        parser.parse_args(arguments)
        parser.print_help()
        return 0
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        # A path may hold what the terminal's encoding has no character for: that is no reason to stop.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status = _run(arguments[0], arguments[1:])
        # Now, not at exit, where nobody would catch what goes wrong.
        sys.stdout.flush()
        return status
    except CodeComposeError as error:
        print(f"codecompose-ls: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("codecompose_ls"):
            raise
        needs = (
            f"{arguments[0]} needs {error.name.partition('.')[0]}, which is not installed: pip install codecompose-ls"
        )
        print(f"codecompose-ls: {needs}", file=sys.stderr)
        return 2
    except MemoryError:
        print("codecompose-ls: there is not enough memory; close something and try again", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output (a pager, `head`) has left; nothing more can be said to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno not in _FULL_OR_CLOSED:
            raise
        # Whatever was being written: it is the machine that has to be mended, not the command.
        where = f"{error.filename}: " if error.filename else ""
        print(f"codecompose-ls: {where}{error.strerror}; mend that and try again", file=sys.stderr)
        return 2


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line; the usage is for those who ask for it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def _run(name: str, arguments: list[str]) -> int:
    module = name
    if arguments and (name, arguments[0]) in SUBCOMMANDS:
        module = SUBCOMMANDS[name, arguments[0]]
        name, arguments = f"{name} {arguments[0]}", arguments[1:]
    command = import_module(f"codecompose_ls.cli.{module}")
    parser = Parser(
        prog=f"codecompose-ls {name}",
        description=f"{command.HELP}.",
        epilog=f"example: {command.EXAMPLE}",
    )
    command.add_arguments(parser)
    return int(command.run(parser.parse_args(arguments)))


def _overview() -> Parser:
    listing = "\n".join(f"  {name:<10} {help}" for name, help in COMMANDS.items())
    parser = Parser(
        prog="codecompose-ls",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=f"Code completion as ghost text, offline, with a model of its own.\n\ncommands:\n{listing}",
        epilog="example: codecompose-ls complete src/app.py:12:8\nhelp on a command: codecompose-ls COMMAND --help",
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("command", nargs="?", choices=COMMANDS, help=argparse.SUPPRESS, metavar="COMMAND")
    return parser

"""Emacs in a real terminal (tmux), with lsp-mode and the client from this repository."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.editors import terminal
from tests.editors.polling import seen, until
from tests.editors.server import ROOT
from tests.editors.terminal import Terminal

CLIENT = ROOT / "editors" / "emacs"
PACKAGES = ROOT / ".editors" / "lsp-mode"
#: What a user writes, then what a test needs: no files beside the project's, and a way in.
INIT = """
(setq native-comp-deferred-compilation nil native-comp-jit-compilation nil) ; for nobody: the home is gone in a minute
(dolist (folder (directory-files %(packages)s t "^[^.]")) (add-to-list 'load-path folder))
(add-to-list 'load-path %(client)s)
(load "lsp-mode-autoloads" nil t)
(require 'codecompose)
(setq codecompose-command '%(command)s)
(setq lsp-inline-completion-idle-delay 0.1)
(lsp-inline-completion--define-key lsp-inline-completion-active-map (kbd "TAB") #'lsp-inline-completion-accept 'keep)
(add-hook 'prog-mode-hook #'lsp)

(setq make-backup-files nil auto-save-default nil create-lockfiles nil inhibit-startup-screen t)
(setq lsp-session-file %(session)s lsp-auto-guess-root t lsp-enable-file-watchers nil lsp-enable-snippet nil)
(setq lsp-client-packages nil lsp-headerline-breadcrumb-enable nil lsp-diagnostics-provider :none lsp-lens-enable nil)
(setq lsp-modeline-diagnostics-enable nil lsp-modeline-code-actions-enable nil lsp-completion-enable nil)
(menu-bar-mode -1)
(require 'server)
(setq server-socket-dir %(home)s server-name "emacs.socket")
(server-start)
"""
GHOST = """
(if (overlayp lsp-inline-completion--overlay)
    (concat (overlay-get lsp-inline-completion--overlay 'after-string)) "")
"""


def needs() -> dict[str, object]:
    """What must be installed, and whether it is."""
    return {"Emacs": shutil.which("emacs"), "lsp-mode": PACKAGES.exists(), "tmux": shutil.which("tmux")}


@dataclass(frozen=True, slots=True)
class Emacs(Terminal):
    """One Emacs with one file open."""

    file: Path

    def lisp(self, code: str) -> object:
        """Run Lisp in the file's buffer and return what it returns; None while it fails or Emacs waits for a key."""
        lisp = f'(with-current-buffer "{self.file.name}" (json-encode (progn {code})))'
        call = ["emacsclient", "-s", str(self.home / "emacs.socket"), "--eval", lisp]
        try:
            done = subprocess.run(call, capture_output=True, text=True, check=True, timeout=10)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            return None
        return json.loads(json.loads(done.stdout))

    def ghost(self) -> str:
        """The first line of the ghost text; empty unless the terminal shows it."""
        ghost = str(self.lisp(GHOST) or "").split("\n")[0]
        return ghost if ghost in self.screen() else ""

    def text(self) -> str:
        return str(self.lisp("(buffer-substring-no-properties (point-min) (point-max))"))

    def line(self) -> str:
        """The text of the cursor's line."""
        return str(self.lisp("(buffer-substring-no-properties (line-beginning-position) (line-end-position))"))

    def replace(self, text: str, *, line: int) -> None:
        """Put another text into the buffer and the cursor at the end of a line, counted from 1."""
        quoted = json.dumps(text, ensure_ascii=False)
        self.lisp("(lsp-inline-completion-cancel)")  # it would put the cursor back
        self.lisp(f"(erase-buffer) (insert {quoted}) (goto-char 1) (forward-line {line - 1}) (end-of-line)")

    def answer(self) -> str:
        """What an assistant has said; empty unless the terminal shows it."""
        shown = '(get-buffer-window "*CodeCompose*")'
        return str(self.lisp(f'(if {shown} (with-current-buffer "*CodeCompose*" (buffer-string)) "")') or "")

    def command(self, name: str) -> None:
        """Run a command by its name."""
        self.keys("M-x")
        self.write(name)
        self.keys("Enter")

    def type_until_ghost(self, text: str) -> str:
        """Wait, then type key by key, until something is suggested; returns the ghost text."""
        for key in ["", *text]:
            self.write(key)
            if seen(lambda: self.ghost().strip(), seconds=3):
                return self.ghost()
        raise AssertionError(f"nothing was suggested while typing {text!r}; the screen:\n{self.screen()}")

    def status(self) -> str:
        return str(self.lisp('(if codecompose--status (gethash "message" codecompose--status) "")'))

    def server_pid(self) -> int:
        """The process of the server; 0 while there is none."""
        pid = self.lisp("(process-id (lsp--workspace-proc (lsp-find-workspace 'codecompose)))")
        return pid if isinstance(pid, int) else 0

    def kill_server(self) -> None:
        os.kill(until(self.server_pid, "a server"), signal.SIGKILL)


@contextmanager
def running(command: list[str], environment: dict[str, str], file: Path, *, ready: bool = True) -> Iterator[Emacs]:
    """Open `file` with a server, and wait for it unless `ready` is false."""
    with TemporaryDirectory(prefix="emacs", ignore_cleanup_errors=True) as folder:  # short, for the sockets in it
        home = Path(folder)
        paths = {"packages": PACKAGES, "client": CLIENT, "home": home, "session": home / "session"}
        init = INIT % {
            **{name: json.dumps(str(path)) for name, path in paths.items()},
            "command": f"({' '.join(map(json.dumps, command))})",
        }
        (home / "init.el").write_text(init, encoding="utf-8")
        emacs = Emacs(home, file)
        start = ["emacs", "-nw", "-q", "-l", str(home / "init.el"), file.name]
        with terminal.running(start, home=home, folder=file.parent, environment=environment | {"HOME": str(home)}):
            if ready:
                until(lambda: emacs.status() in ("ready", "model 'base'"), "the server to be ready")
            yield emacs

"""The index in an evaluation: of the workspace that a case may know, and of nothing else."""

from __future__ import annotations

from codecompose_ls.evaluation.hidden_lines import Case
from codecompose_ls.evaluation.projects import Project
from codecompose_ls.index.lexemes import Vocabulary
from codecompose_ls.index.reading import is_code
from codecompose_ls.index.segment import Files, Segment
from codecompose_ls.index.workspace import Workspace
from codecompose_ls.types import Context

#: How a case's document is called; its project and path follow.
SCHEME = "hidden-line:///"


def uri_of(case: Case) -> str:
    """Return the address of a case's document."""
    return f"{SCHEME}{case.project.name}/{case.path}"


class Workspaces:
    """Indexes one project at a time, in memory: `enter` it, and documents of it are found by `locate`."""

    def __init__(self) -> None:
        self._entered: tuple[Project, Workspace] | None = None

    def enter(self, case: Case, *, session: bool = True) -> None:
        """Index the project of a case, unless it is the one indexed last, and make the edits that came before it.

        With `session` it is known that these were made just now.
        """
        if self._entered is None or self._entered[0] != case.project:
            self._entered = case.project, index(case.project)
        _, workspace = self._entered
        for path in workspace.changed:
            workspace.revert(path)
        workspace.recent.forget()
        for edit in case.edits:
            if session:
                workspace.recent.saw(edit.path, edit.before)
            if edit.path != case.path:
                workspace.update(edit.path, edit.after)

    def locate(self, context: Context) -> tuple[Workspace, str] | None:
        """Return the workspace that a document is in and its path there; None for an arm without index."""
        if self._entered is None or not context.uri:
            return None
        project, workspace = self._entered
        return workspace, context.uri.removeprefix(f"{SCHEME}{project.name}/")


def index(project: Project) -> Workspace:
    """Index the files of a project that the server would."""
    vocabulary = Vocabulary()
    files = []
    for path in project.files:
        try:
            text = project.read(path)
        except (OSError, UnicodeDecodeError):
            continue
        if is_code(text):
            files.append((path, vocabulary.encode(text)))
    return Workspace(vocabulary, Segment.build(Files.of(files)), root=project.root)

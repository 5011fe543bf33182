/** The menu of the status bar item. */
import * as vscode from 'vscode';

/** Let the user choose what to do about `language`, the active document's, and about the server. */
export async function showMenu(status: string): Promise<void> {
    const configuration = vscode.workspace.getConfiguration('codecompose');
    const language = vscode.window.activeTextEditor?.document.languageId;
    const isOff = configuration.get<string[]>('disabledLanguages', []).includes(language ?? '');
    const line = { label: '', kind: vscode.QuickPickItemKind.Separator, command: '' };
    const items = [
        configuration.get('enabled')
            ? { label: '$(debug-pause) Pause Suggestions', command: 'codecompose.toggle' }
            : { label: '$(play) Resume Suggestions', command: 'codecompose.toggle' },
        ...(language
            ? [{ label: `$(circle-slash) Turn ${isOff ? 'On' : 'Off'} for '${language}'`, command: 'codecompose.toggleLanguage' }]
            : []),
        line,
        { label: '$(comment-discussion) Ask an Assistant...', command: 'codecompose.askAssistant' },
        { label: '$(mortar-board) Tune on This Workspace', command: 'codecompose.tune' },
        { label: '$(graph) Open Dashboard', command: 'codecompose.openDashboard' },
        line,
        { label: '$(thumbsup) Good Suggestion...', command: 'codecompose.thumbsUp' },
        { label: '$(thumbsdown) Bad Suggestion...', command: 'codecompose.thumbsDown' },
        line,
        { label: '$(output) Show Log', command: 'codecompose.showLog' },
        { label: '$(debug-restart) Restart Server', command: 'codecompose.restart' },
        { label: '$(gear) Settings', command: 'codecompose.openSettings' },
    ];
    const picked = await vscode.window.showQuickPick(items, { placeHolder: status });
    if (picked?.command) await vscode.commands.executeCommand(picked.command);
}

/** Commands of the program that run in a terminal: it stays open when they end, and is the user's to stop. */
import * as vscode from 'vscode';

export async function openDashboard(): Promise<void> {
    await run('Dashboard', ['dashboard'], vscode.TaskScope.Workspace);
}

/** Tune on a folder of the workspace; the result answers at once if it passes the gate. */
export async function tune(): Promise<void> {
    const { workspaceFolders: folders = [] } = vscode.workspace;
    const folder = folders.length > 1 ? await vscode.window.showWorkspaceFolderPick() : folders[0];
    if (folder) await run('Tune', ['tune', '.', '--promote'], folder);
    else if (!folders.length) void vscode.window.showInformationMessage('CodeCompose LS: open the folder to be tuned on.');
}

async function run(name: string, args: string[], scope: vscode.WorkspaceFolder | vscode.TaskScope.Workspace): Promise<void> {
    const command = vscode.workspace.getConfiguration('codecompose').get<string[]>('server.command', []);
    // The same program as the server, however it is started.
    const [program = '', ...before] = command.slice(0, Math.max(1, command.indexOf('lsp')));
    const execution = new vscode.ProcessExecution(program, [...before, ...args]);
    const task = new vscode.Task({ type: 'codecompose', name }, scope, name, 'CodeCompose', execution, []);
    task.presentationOptions = { focus: true, panel: vscode.TaskPanelKind.Dedicated };
    await vscode.tasks.executeTask(task);
}

/** Start the language server, show its suggestions as ghost text, and tell it what became of them. */
import * as vscode from 'vscode';
import { State, type LanguageClient, type Middleware } from 'vscode-languageclient/node';
import { AnswerView } from './answer';
import { ASSIST, Assistants } from './assistants';
import { SuggestionEvents } from './events';
import { showMenu } from './menu';
import { createClient, found } from './server';
import { chosen, toggle, toggleLanguage } from './settings';
import { Status } from './status';
import { openDashboard, tune } from './tasks';

let client: LanguageClient | undefined;

export async function activate(context: vscode.ExtensionContext): Promise<void> {
    const log = vscode.window.createOutputChannel('CodeCompose LS', { log: true });
    const status = new Status();
    const view = new AnswerView(vscode.Uri.joinPath(context.extensionUri, 'out'));
    const assistants = new Assistants(view);
    const events = new SuggestionEvents();

    const middleware: Middleware = {
        provideInlineCompletionItems: events.provide,
        // A code action's: shown here, which the language client by itself cannot do.
        executeCommand: (command, args, next) => (command === ASSIST ? assistants.carryOut(args[0]) : next(command, args)),
        workspace: { handleApplyEdit: assistants.applyEdit },
    };

    const start = async (): Promise<void> => {
        const command = vscode.workspace.getConfiguration('codecompose').get<string[]>('server.command', []);
        if (!found(command[0])) {
            status.show({ kind: 'Error', message: 'The server is not installed.', busy: false });
            return missing(command[0]);
        }
        status.show({ kind: 'Normal', message: 'Starting.', busy: true });
        client = createClient(command, { settings: chosen(context.extension), middleware, log });
        events.follow(client);
        assistants.follow(client);
        client.onNotification('didChangeStatus', status.show);
        client.onDidChangeState(({ newState }) => {
            if (newState === State.Stopped) status.show({ kind: 'Error', message: 'The server has stopped.', busy: false });
        });
        // The client itself tells the user and the log why it could not start.
        await client.start().catch(() => status.show({ kind: 'Error', message: 'The server did not start.', busy: false }));
    };
    const restart = async (): Promise<void> => {
        await deactivate();
        await start();
    };

    context.subscriptions.push(
        log,
        status,
        events,
        view,
        ...register({
            ...asking(context.extension, assistants),
            askAssistant: assistants.pick,
            stop: assistants.stop,
            apply: assistants.apply,
            copyAnswer: view.copy,
            menu: () => showMenu(status.message),
            toggle,
            toggleLanguage,
            tune,
            openDashboard,
            restart,
            showLog: () => log.show(),
            openSettings: () => vscode.commands.executeCommand('workbench.action.openSettings', '@ext:codecompose.codecompose-ls'),
        }),
        vscode.workspace.onDidChangeConfiguration(async event => {
            if (event.affectsConfiguration('codecompose.server.command')) await restart();
            else if (event.affectsConfiguration('codecompose'))
                await client?.sendNotification('workspace/didChangeConfiguration', {
                    settings: { codecompose: chosen(context.extension) },
                });
        }),
    );
    await start();
}

export async function deactivate(): Promise<void> {
    const running = client;
    client = undefined;
    // A server that never started, or has died, has nothing to stop.
    await running?.dispose().catch(() => undefined);
}

/** Register commands by their names after `codecompose.`. */
function register(commands: Record<string, () => unknown>): vscode.Disposable[] {
    return Object.entries(commands).map(([name, run]) => vscode.commands.registerCommand(`codecompose.${name}`, run));
}

/** The commands `ask.NAME` that package.json lists: assistants that have a place in menus. */
function asking(extension: vscode.Extension<unknown>, assistants: Assistants): Record<string, () => unknown> {
    const listed: { command: string }[] = extension.packageJSON.contributes.commands;
    const names = listed.map(({ command }) => /^codecompose\.(ask\.(.+))$/.exec(command) ?? []);
    return Object.fromEntries(names.filter(({ length }) => length).map(([, id, name]) => [id, () => assistants.ask(name ?? '')]));
}

async function missing(program: string | undefined): Promise<void> {
    const settings = 'Open Settings';
    const answer = await vscode.window.showErrorMessage(
        `CodeCompose LS: '${program ?? ''}' was not found. Install the server, or set its full path in codecompose.server.command.`,
        settings,
    );
    if (answer === settings) await vscode.commands.executeCommand('workbench.action.openSettings', 'codecompose.server.command');
}

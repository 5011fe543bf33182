/** Start the language server, show its suggestions as ghost text, and tell it what became of them. */
import * as vscode from 'vscode';
import { State, type LanguageClient, type Middleware } from 'vscode-languageclient/node';
import { SuggestionEvents } from './events';
import { EXPLAIN, Explanations } from './explain';
import { createClient, found } from './server';
import { chosen, toggle } from './settings';
import { Status } from './status';

let client: LanguageClient | undefined;

export async function activate(context: vscode.ExtensionContext): Promise<void> {
    const log = vscode.window.createOutputChannel('CodeCompose LS', { log: true });
    const status = new Status();
    const explanations = new Explanations();
    const events = new SuggestionEvents();

    const middleware: Middleware = {
        provideInlineCompletionItems: events.provide,
        executeCommand: async (command, args, next) => {
            const result: unknown = await next(command, args);
            if (command === EXPLAIN && typeof result === 'string') await explanations.show(result);
            return result;
        },
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
        explanations,
        vscode.commands.registerCommand('codecompose.explainSelection', explanations.explainSelection),
        vscode.commands.registerCommand('codecompose.toggle', toggle),
        vscode.commands.registerCommand('codecompose.restart', restart),
        vscode.commands.registerCommand('codecompose.showLog', () => log.show()),
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

async function missing(program: string | undefined): Promise<void> {
    const settings = 'Open Settings';
    const answer = await vscode.window.showErrorMessage(
        `CodeCompose LS: '${program ?? ''}' was not found. Install the server, or set its full path in codecompose.server.command.`,
        settings,
    );
    if (answer === settings) await vscode.commands.executeCommand('workbench.action.openSettings', 'codecompose.server.command');
}

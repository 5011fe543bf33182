/** Start the language server, show its suggestions as ghost text, and tell it what became of them. */
import * as vscode from 'vscode';
import { State, type LanguageClient, type Middleware } from 'vscode-languageclient/node';
import { AnswerView } from './answer';
import { ASSIST, Assistants } from './assistants';
import { SuggestionEvents } from './events';
import { giveFeedback, type About, type Rating } from './feedback';
import { install } from './install';
import { showMenu } from './menu';
import { createClient, found } from './server';
import { chosen, setCommand, toggle, toggleLanguage } from './settings';
import { INSTALL, RESTART, Status } from './status';
import { openDashboard, tune } from './tasks';

let client: LanguageClient | undefined;

export async function activate(context: vscode.ExtensionContext): Promise<void> {
    const log = vscode.window.createOutputChannel('CodeCompose LS', { log: true });
    const status = new Status();
    const view = new AnswerView(vscode.Uri.joinPath(context.extensionUri, 'out'));
    const assistants = new Assistants(view);
    const events = new SuggestionEvents();

    const middleware: Middleware = {
        provideInlineCompletionItems: (document, position, asked, token, next) =>
            events.provide(document, position, asked, token, async (...request) => status.during(Promise.resolve(next(...request)))),
        // A code action's: shown here, which the language client by itself cannot do.
        executeCommand: (command, args, next) => (command === ASSIST ? assistants.carryOut(args[0]) : next(command, args)),
        workspace: { handleApplyEdit: assistants.applyEdit },
    };

    const start = async (): Promise<void> => {
        const command = vscode.workspace.getConfiguration('codecompose').get<string[]>('server.command', []);
        const isFound = found(command[0]);
        void vscode.commands.executeCommand('setContext', 'codecompose.installed', isFound);
        if (!isFound) {
            status.offer({ kind: 'Error', message: 'The server is not installed.', busy: false }, INSTALL);
            return missing(context, command[0] ?? '');
        }
        const gaveUp = (): void => void offerRestart(log);
        const started = (client = createClient(command, { settings: () => chosen(context.extension), middleware, log, gaveUp }));
        events.follow(started);
        assistants.follow(started);
        started.onNotification('didChangeStatus', status.show);
        started.onDidChangeState(({ newState }) => {
            if (client !== started) return; // stopped on purpose
            if (newState === State.Starting) status.show({ kind: 'Normal', message: 'Starting.', busy: true });
            if (newState === State.Stopped) status.offer({ kind: 'Error', message: 'The server has stopped.', busy: false }, RESTART);
        });
        // The client itself tells the log why it could not start.
        await started.start().catch(() => status.offer({ kind: 'Error', message: 'The server did not start.', busy: false }, RESTART));
    };
    const restart = async (): Promise<void> => {
        await deactivate();
        await start();
    };
    const rate = (rating: Rating, about: () => About) => async (): Promise<void> => {
        const reachable = assistants.reachable();
        if (reachable) await giveFeedback(reachable, rating, about());
    };
    const suggestion = (): About => ({ about: 'suggestion' });
    const answer = (): About => ({ about: 'assistant', assistant: assistants.answering });

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
            install: async () => setCommand(await install(context, log)),
            thumbsUp: rate('up', suggestion),
            thumbsDown: rate('down', suggestion),
            goodAnswer: rate('up', answer),
            badAnswer: rate('down', answer),
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

/** The first time, lead through what there is to do; later, say it in one line. */
async function missing({ globalState }: vscode.ExtensionContext, program: string): Promise<void> {
    if (!globalState.get('welcomed')) {
        await globalState.update('welcomed', true);
        return vscode.commands.executeCommand('workbench.action.openWalkthrough', 'codecompose.codecompose-ls#start');
    }
    const [installIt, settings] = ['Install...', 'Open Settings'];
    const answer = await vscode.window.showErrorMessage(
        `CodeCompose LS: '${program}' was not found. Install the server, or set its full path in codecompose.server.command.`,
        installIt,
        settings,
    );
    if (answer === installIt) await vscode.commands.executeCommand('codecompose.install');
    if (answer === settings) await vscode.commands.executeCommand('workbench.action.openSettings', 'codecompose.server.command');
}

async function offerRestart(log: vscode.LogOutputChannel): Promise<void> {
    const [restart, showLog] = ['Restart', 'Show Log'];
    const answer = await vscode.window.showErrorMessage(
        'CodeCompose LS: the server has stopped again and again. The log may say why.',
        restart,
        showLog,
    );
    if (answer === restart) await vscode.commands.executeCommand('codecompose.restart');
    if (answer === showLog) log.show();
}

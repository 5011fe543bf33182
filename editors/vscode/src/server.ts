/** The server's process and the language client in front of it. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { LogOutputChannel } from 'vscode';
import { LanguageClient, type Middleware } from 'vscode-languageclient/node';
import { answersShown } from './assistants';

/** Whether a program can be started: a path to it, or a name on the PATH. */
export function found(program: string | undefined): boolean {
    if (!program) return false;
    const folders = /[\\/]/.test(program) ? [''] : (process.env.PATH ?? '').split(delimiter);
    const endings = process.platform === 'win32' ? ['', '.exe', '.cmd', '.bat'] : [''];
    return folders.some(folder => endings.some(ending => isExecutable(join(folder, program + ending))));
}

function isExecutable(path: string): boolean {
    try {
        accessSync(path, constants.X_OK);
        return true;
    } catch {
        return false;
    }
}

interface Options {
    settings: Record<string, unknown>;
    middleware: Middleware;
    log: LogOutputChannel;
}

/** A client for `command`, not yet started. Ghost text, code actions and notebooks are its built-in features. */
export function createClient([program = '', ...args]: string[], { settings, middleware, log }: Options): LanguageClient {
    const client = new LanguageClient(
        'codecompose',
        'CodeCompose LS',
        { command: program, args },
        {
            // Every language: the server knows which files it leaves alone, and says so in its status.
            documentSelector: [{ scheme: 'file' }, { scheme: 'untitled' }, { scheme: 'vscode-notebook-cell' }],
            initializationOptions: settings,
            outputChannel: log,
            middleware,
        },
    );
    client.registerFeature(answersShown);
    return client;
}

/** The server's process and the language client in front of it. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { LogOutputChannel } from 'vscode';
import { CloseAction, LanguageClient, type ErrorHandler, type Middleware } from 'vscode-languageclient/node';
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
    /** The settings as they are when the server starts, or starts again. */
    settings: () => Record<string, unknown>;
    middleware: Middleware;
    log: LogOutputChannel;
    /** The server has ended too often to be started again. */
    gaveUp: () => void;
}

/** A client for `command`, not yet started. Ghost text, code actions and notebooks are its built-in features. */
export function createClient([program = '', ...args]: string[], { settings, middleware, log, gaveUp }: Options): LanguageClient {
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
    client.clientOptions.errorHandler = quiet(client.createDefaultErrorHandler(), gaveUp);
    client.registerFeature(answersShown);
    return client;
}

/** The client's own policy, start again unless it ends five times in three minutes, without a message each time. */
function quiet(usual: ErrorHandler, gaveUp: () => void): ErrorHandler {
    return {
        error: async (...happened) => ({ ...(await usual.error(...happened)), handled: true }),
        closed: async () => {
            const result = await usual.closed();
            if (result.action === CloseAction.DoNotRestart) gaveUp();
            return { ...result, handled: true };
        },
    };
}

/**
 * The server in a virtual environment of its own, in the extension's storage: no other Python on the machine changes.
 *
 * Each installation has a new folder, so that one that fails, or is cancelled, costs the one before it nothing.
 */
import { execFile, spawn } from 'node:child_process';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import * as vscode from 'vscode';

const PACKAGE = 'codecompose-ls';
const WINDOWS = process.platform === 'win32';
/** The system's first; where that is too old, one that was installed beside it. */
const PYTHONS = ['python3', 'python', 'python3.14', 'python3.13', 'python3.12', 'python3.11', 'python3.10'];
const CHECK = 'import sys; print(sys.version_info >= (3, 10), flush=True); import ensurepip, venv';
/** What pip says of its progress, not of what is there already. */
const STEP = /^(Collecting|Downloading|Processing|Installing) /;

interface Running {
    log: vscode.LogOutputChannel;
    signal: AbortSignal;
    onLine?: (line: string) => void;
}

/** Let the user say what to install, and install it; returns the command that starts it, or nothing if there is none. */
export async function install(context: vscode.ExtensionContext, log: vscode.LogOutputChannel): Promise<string[] | undefined> {
    const source = await pick(context.extensionUri);
    if (!source) return undefined;
    const folder = vscode.Uri.joinPath(context.globalStorageUri, `server-${Date.now()}`);
    const stopping = new AbortController();
    const options = { location: vscode.ProgressLocation.Notification, title: 'CodeCompose LS', cancellable: true };
    try {
        await vscode.window.withProgress(options, async (progress, token) => {
            token.onCancellationRequested(() => stopping.abort());
            progress.report({ message: 'Making a virtual environment.' });
            const running = { log, signal: stopping.signal };
            await makeEnvironment(folder.fsPath, running);
            progress.report({ message: `Installing ${basename(source)}.` });
            const onLine = (line: string): void => {
                if (STEP.test(line)) progress.report({ message: shortened(line) });
            };
            await pipInstall(folder.fsPath, source, { ...running, onLine });
        });
    } catch (error) {
        await remove(folder);
        if (!stopping.signal.aborted) await tell((error as Error).message, log);
        return undefined;
    }
    await removeOthers(folder);
    return [programIn(folder.fsPath, PACKAGE), 'lsp'];
}

/** What pip is to install: a wheel's path, or the package's name. */
async function pick(extension: vscode.Uri): Promise<string | undefined> {
    const beside = (await vscode.workspace.fs.readDirectory(extension)).map(([name]) => name).find(name => name.endsWith('.whl'));
    const choices = [
        ...(beside ? [{ label: '$(package) The One Inside This Extension', detail: beside, choice: 'beside' }] : []),
        { label: '$(file-zip) From a Wheel...', detail: `A file ${PACKAGE.replace('-', '_')}-*.whl, as 'make wheel' builds it`, choice: 'wheel' },
        { label: '$(cloud-download) From the Package Index', detail: `pip install ${PACKAGE}`, choice: 'index' },
    ];
    const placeHolder = 'Which server is to be installed, into a virtual environment of its own?';
    const picked = await vscode.window.showQuickPick(choices, { placeHolder });
    if (picked?.choice === 'index') return PACKAGE;
    if (picked?.choice === 'beside') return vscode.Uri.joinPath(extension, beside!).fsPath;
    if (!picked) return undefined;
    const [file] = (await vscode.window.showOpenDialog({ title: 'The Wheel of the Server', filters: { Wheels: ['whl'] } })) ?? [];
    return file?.fsPath;
}

async function makeEnvironment(folder: string, running: Running): Promise<void> {
    const python = await findPython();
    await run(python, ['-m', 'venv', folder], running).catch(() => {
        throw new Error(`'${python} -m venv' failed.`);
    });
}

/** A Python that can make the environment; the error says what to install where there is none. */
async function findPython(): Promise<string> {
    let bare = '';
    for (const program of PYTHONS) {
        const { stdout, code } = await promisify(execFile)(program, ['-c', CHECK]).then(
            ({ stdout }) => ({ stdout, code: 0 }),
            (error: { stdout?: string }) => ({ stdout: error.stdout ?? '', code: 1 }),
        );
        if (!stdout.startsWith('True')) continue;
        if (code === 0) return program;
        bare ||= program;
    }
    if (bare) throw new Error(`'${bare}' has no venv: install it (Debian and Ubuntu: the package python3-venv), then try again.`);
    throw new Error('no Python 3.10 or newer was found on the PATH: install one, then try again.');
}

async function pipInstall(folder: string, source: string, running: Running): Promise<void> {
    // Isolated (-I): what PYTHONPATH and the user's own packages hold is no part of this environment.
    const args = ['-I', '-m', 'pip', 'install', '--disable-pip-version-check', '--no-input', '--progress-bar', 'off', source];
    let why = '';
    const onLine = (line: string): void => {
        if (line.startsWith('ERROR: ')) why = line.slice('ERROR: '.length);
        running.onLine?.(line);
    };
    await run(programIn(folder, 'python'), args, { ...running, onLine }).catch(() => {
        throw new Error(`pip could not install ${basename(source)}${why && `: ${shortened(why)}`}.`);
    });
}

/** Run a program to its end, its output in the log; the error is for nobody to read. */
function run(program: string, args: string[], { log, signal, onLine }: Running): Promise<void> {
    log.info(`$ ${[program, ...args].join(' ')}`);
    return new Promise((resolve, reject) => {
        const child = spawn(program, args, { signal, stdio: ['ignore', 'pipe', 'pipe'] });
        for (const stream of [child.stdout, child.stderr])
            createInterface(stream).on('line', line => {
                log.info(line);
                onLine?.(line);
            });
        child.on('error', reject);
        child.on('close', code => (code === 0 ? resolve() : reject(new Error(`${program} ended with ${code}`))));
    });
}

function programIn(folder: string, name: string): string {
    return WINDOWS ? join(folder, 'Scripts', `${name}.exe`) : join(folder, 'bin', name);
}

async function removeOthers(folder: vscode.Uri): Promise<void> {
    const storage = vscode.Uri.joinPath(folder, '..');
    for (const [name] of await vscode.workspace.fs.readDirectory(storage))
        if (name.startsWith('server-') && name !== basename(folder.fsPath)) await remove(vscode.Uri.joinPath(storage, name));
}

async function remove(folder: vscode.Uri): Promise<void> {
    // Not there, or Windows still runs what is in it: then the next installation removes it.
    await vscode.workspace.fs.delete(folder, { recursive: true }).then(undefined, () => undefined);
}

async function tell(why: string, log: vscode.LogOutputChannel): Promise<void> {
    const showLog = 'Show Log';
    if ((await vscode.window.showErrorMessage(`CodeCompose LS: ${why}`, showLog)) === showLog) log.show();
}

function shortened(line: string): string {
    return line.length > 100 ? `${line.slice(0, 100)}...` : line;
}

/**
 * Assistants: which there are, asking one about the selection, and what becomes of its answer and of its edit.
 *
 * Asked in a menu or through a code action, it is the server's command `codecompose.assist`. Pieces of the answer come as
 * progress; an edit comes as workspace/applyEdit, which VS Code itself has confirmed in its refactor preview.
 */
import * as vscode from 'vscode';
import {
    ExecuteCommandRequest,
    ProgressType,
    WorkDoneProgress,
    type Diagnostic,
    type LanguageClient,
    type Middleware,
    type Range,
    type StaticFeature,
} from 'vscode-languageclient/node';
import type { AnswerView } from './answer';

export const ASSIST = 'codecompose.assist';
const ASSISTANTS = 'codecompose.assistants';
const PIECES = new ProgressType<{ kind: 'assist'; text: string }>();

/** What the server is asked. */
interface Asked {
    name: string;
    uri: string;
    range: Range;
    version: number;
    diagnostics?: Diagnostic[];
}

interface Outcome {
    title: string;
    markdown: string;
    madeBy: string;
    applied: boolean;
    refusal: string;
}

interface Listed {
    name: string;
    title: string;
    kind: 'show' | 'edit';
    /** Why it cannot be asked now; empty where it can. */
    disabled: string;
}

type ApplyEdit = NonNullable<NonNullable<Middleware['workspace']>['handleApplyEdit']>;

/** Tells the server that answers are shown here, so that it does not show them as messages. */
export const answersShown: StaticFeature = {
    fillClientCapabilities: capabilities => {
        capabilities.experimental = { ...capabilities.experimental, codecompose: { assist: true } };
    },
    initialize: () => undefined,
    getState: () => ({ kind: 'static' }),
    clear: () => undefined,
};

export class Assistants {
    private client: LanguageClient | undefined;
    private running: vscode.CancellationTokenSource | undefined;
    /** Offers again the edit that was not made. */
    private offer: (() => Promise<boolean>) | undefined;
    private asked = 0;
    /** The name of the assistant whose answer is shown. */
    answering = '';

    constructor(private readonly view: AnswerView) {}

    follow(client: LanguageClient): void {
        this.client = client;
    }

    /** Let the user choose from all that there are for this document. */
    readonly pick = async (): Promise<void> => {
        const [editor, client] = [vscode.window.activeTextEditor, this.reachable()];
        if (!editor || !client) return;
        const uri = client.code2ProtocolConverter.asUri(editor.document.uri);
        const params = { command: ASSISTANTS, arguments: [{ uri }] };
        const listed: Listed[] = await client.sendRequest(ExecuteCommandRequest.type, params);
        const items = listed.map(({ name, title, kind, disabled }) => ({
            name,
            disabled,
            label: disabled ? `$(circle-slash) ${title}` : title,
            description: kind === 'edit' ? 'edits' : '',
            ...(disabled && { detail: disabled }),
        }));
        items.sort((one, other) => Number(!!one.disabled) - Number(!!other.disabled));
        const placeHolder = items.length ? 'About the selection, or the function around the cursor' : 'None for this document';
        const picked = await vscode.window.showQuickPick(items, { placeHolder });
        if (picked?.disabled) await vscode.commands.executeCommand('workbench.action.openSettings', 'codecompose.chat');
        else if (picked) await this.ask(picked.name);
    };

    /** Ask about the selection of the active editor. */
    async ask(name: string): Promise<void> {
        const [editor, client] = [vscode.window.activeTextEditor, this.reachable()];
        if (!editor || !client) return;
        const { document, selection } = editor;
        const { asUri, asRange, asDiagnostic } = client.code2ProtocolConverter;
        const reported = vscode.languages.getDiagnostics(document.uri).filter(({ range }) => range.intersection(selection));
        await this.carryOut({
            name,
            uri: asUri(document.uri),
            range: asRange(selection),
            version: document.version,
            diagnostics: reported.map(diagnostic => asDiagnostic(diagnostic)),
        });
    }

    /** Ask, and show the answer as it comes; whatever was asked before is cancelled. */
    async carryOut(asked: Asked): Promise<void> {
        const [view, client] = [this.view, this.reachable()];
        if (!client) return;
        this.running?.cancel();
        const running = (this.running = new vscode.CancellationTokenSource());
        this.remember(undefined);
        this.answering = asked.name;
        const partialResultToken = `codecompose.assist.${++this.asked}`;
        const workDoneToken = `${partialResultToken}.work`;
        const isCurrent = (): boolean => this.running === running;
        const heard = vscode.Disposable.from(
            client.onProgress(PIECES, partialResultToken, ({ text }) => {
                if (isCurrent()) view.add(text);
            }),
            client.onProgress(WorkDoneProgress.type, workDoneToken, value => {
                if (isCurrent() && value.kind === 'begin') view.show({ title: value.title, note: sentence(value.message ?? '') });
            }),
        );
        const params = { command: ASSIST, arguments: [{ ...asked, partialResultToken }], workDoneToken };
        const answer: Promise<Outcome> = client.sendRequest(ExecuteCommandRequest.type, params, running.token);
        try {
            const settled = answer.catch(() => undefined);
            await view.begin(settled);
            const { title, markdown, ...more } = await answer;
            if (isCurrent()) view.show({ title, markdown, note: summary(more), busy: false });
        } catch (error) {
            const why = running.token.isCancellationRequested ? 'Stopped.' : sentence(String((error as Error).message));
            if (isCurrent()) view.show({ note: why, busy: false });
        } finally {
            heard.dispose();
            running.dispose();
        }
    }

    /** Cancel the request; what has come of the answer stays. */
    readonly stop = (): void => this.running?.cancel();

    /** Offer the edit again. */
    readonly apply = async (): Promise<void> => {
        if (await this.offer?.()) this.view.show({ note: 'Applied.' });
        else this.view.show({ note: 'Not applied. If the document has changed meanwhile, ask again.' });
    };

    /** Have an edit confirmed, and keep it if it is not made. */
    readonly applyEdit: ApplyEdit = async (params, next) => {
        const { running } = this;
        const offer = async (): Promise<boolean> => {
            this.view.show({ note: 'Look at it in the Refactor Preview, tick what you want, and apply.', busy: false });
            const result = await next(params, new vscode.CancellationTokenSource().token);
            const applied = 'applied' in result && result.applied;
            // Something else may have been asked meanwhile.
            if (this.running === running) this.remember(applied ? undefined : offer);
            return applied;
        };
        return { applied: await offer() };
    };

    /** The client, if the server runs; otherwise the user is told. */
    reachable(): LanguageClient | undefined {
        if (this.client?.isRunning()) return this.client;
        void vscode.window.showWarningMessage('CodeCompose LS: the server is not running.');
        return undefined;
    }

    private remember(offer: typeof this.offer): void {
        this.offer = offer;
        void vscode.commands.executeCommand('setContext', 'codecompose.unapplied', !!offer);
    }
}

function summary({ madeBy, applied, refusal }: Omit<Outcome, 'title' | 'markdown'>): string {
    const parts = [madeBy && `by ${madeBy}`, applied && 'applied', refusal].filter(Boolean);
    return sentence(parts.join('; '));
}

function sentence(text: string): string {
    return text && `${text[0]!.toUpperCase()}${text.slice(1)}.`;
}

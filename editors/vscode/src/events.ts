/**
 * What becomes of a suggestion on the screen, as far as the server cannot see it in the document.
 *
 * The API that reports this is proposed, so not for published extensions. With the stable one: a suggestion is shown when
 * VS Code asked and the answer still fits after it was drawn; a part is taken when more than one key's worth of it goes in
 * at once; and it is dismissed when the cursor goes elsewhere. Taking it whole runs the item's command, which the language
 * client sends to the server by itself; typing something else the server sees in the document.
 */
import * as vscode from 'vscode';
import type { LanguageClient, Middleware } from 'vscode-languageclient/node';

/** A suggestion on the screen, or on its way there. */
interface Shown {
    item: vscode.InlineCompletionItem;
    document: vscode.TextDocument;
    /** Where in the document the suggestion's text begins. */
    start: number;
    text: string;
    /** How much of it stands in the document; UTF-16 units, as the protocol counts. */
    typed: number;
}

/** VS Code draws an answer within a frame or two; one that is outdated by then was never seen. */
const DRAWN_AFTER_MS = 50;
const NEW_LINE = /^\r?\n\s*$/;
/** An opening bracket or quote brings its closing one along, behind the cursor. */
const PAIR = /^(\(\)|\[\]|\{\}|''|""|``)$/;

export class SuggestionEvents implements vscode.Disposable {
    private client: LanguageClient | undefined;
    private shown: Shown | undefined;
    private readonly listeners = vscode.Disposable.from(
        vscode.workspace.onDidChangeTextDocument(event => this.onChange(event)),
        vscode.window.onDidChangeTextEditorSelection(event => this.onSelection(event)),
        vscode.window.onDidChangeActiveTextEditor(editor => this.onEditor(editor)),
    );

    /** Look at every answer on its way to VS Code. */
    readonly provide: NonNullable<Middleware['provideInlineCompletionItems']> = async (document, position, context, token, next) => {
        const result = await next(document, position, context, token);
        const item = Array.isArray(result) ? result[0] : result?.items[0];
        if (item && fits(item, context)) {
            const start = document.offsetAt(item.range?.start ?? position);
            const shown = { item, document, start, text: textOf(item), typed: document.offsetAt(position) - start };
            this.shown = shown;
            setTimeout(() => this.onDrawn(shown), DRAWN_AFTER_MS);
        }
        return result;
    };

    follow(client: LanguageClient): void {
        this.client = client;
        this.shown = undefined;
    }

    dispose(): void {
        this.listeners.dispose();
    }

    private onDrawn(shown: Shown): void {
        const editor = vscode.window.activeTextEditor;
        if (this.shown !== shown || editor?.document !== shown.document) return;
        const stands = common(shown, shown.document.offsetAt(editor.selection.active)) !== undefined;
        if (stands) this.notify('textDocument/didShowCompletion', shown.item);
    }

    private onChange({ document, contentChanges, reason }: vscode.TextDocumentChangeEvent): void {
        const { shown } = this;
        const change = contentChanges[0];
        if (!shown || document !== shown.document || !change) return;
        const typed = common(shown, change.rangeOffset + (PAIR.test(change.text) ? 1 : change.text.length));
        if (typed === undefined || typed === shown.text.length || reason !== undefined || contentChanges.length > 1) {
            this.shown = undefined;
            return;
        }
        // One key brings one character, or a line's end with its indentation.
        const part = typed - shown.typed > 1 && !NEW_LINE.test(change.text);
        shown.typed = typed;
        if (part) this.notify('textDocument/didPartiallyAcceptCompletion', shown.item, { acceptedLength: typed });
    }

    private onSelection({ textEditor, selections }: vscode.TextEditorSelectionChangeEvent): void {
        const { shown } = this;
        if (!shown || textEditor.document !== shown.document || !selections[0]) return;
        if (common(shown, shown.document.offsetAt(selections[0].active)) !== shown.typed) this.dismiss();
    }

    private onEditor(editor: vscode.TextEditor | undefined): void {
        if (this.shown && editor?.document !== this.shown.document) this.dismiss();
    }

    private dismiss(): void {
        const item = this.shown?.item;
        this.shown = undefined;
        if (item) this.notify('codecompose/didDismissCompletion', item, { reason: 'ignored' });
    }

    private notify(method: string, item: vscode.InlineCompletionItem, more: object = {}): void {
        const { client } = this;
        if (!client?.isRunning()) return;
        const { asRange, asCommand } = client.code2ProtocolConverter;
        const plain = {
            insertText: textOf(item),
            ...(item.range && { range: asRange(item.range) }),
            ...(item.command && { command: asCommand(item.command) }),
        };
        void client.sendNotification(method, { item: plain, ...more });
    }
}

/** With the suggest widget open, VS Code draws only what continues its selected entry. */
function fits(item: vscode.InlineCompletionItem, { selectedCompletionInfo }: vscode.InlineCompletionContext): boolean {
    return !selectedCompletionInfo || textOf(item).startsWith(selectedCompletionInfo.text);
}

function textOf(item: vscode.InlineCompletionItem): string {
    return typeof item.insertText === 'string' ? item.insertText : item.insertText.value;
}

/** How much of the suggestion the document holds up to `offset`; undefined once the two have parted. */
function common({ document, start, text }: Shown, offset: number): number | undefined {
    if (offset < start) return undefined;
    const written = document.getText(new vscode.Range(document.positionAt(start), document.positionAt(offset)));
    const plain = written.replaceAll('\r\n', '\n');
    return text.startsWith(plain) ? plain.length : undefined;
}

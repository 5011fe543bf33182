/** The side view: an assistant's answer as it comes, rendered by the page in `webview/`. */
import * as vscode from 'vscode';
import type { Answer, FromPage, ToPage } from '../webview/messages';

const VIEW = 'codecompose.answer';
const NOTHING: Answer = { title: '', note: 'Select code and ask an assistant: right-click, CodeCompose.', markdown: '', busy: false };

export class AnswerView implements vscode.WebviewViewProvider, vscode.Disposable {
    private view: vscode.WebviewView | undefined;
    private answer = NOTHING;
    private readonly registration = vscode.window.registerWebviewViewProvider(VIEW, this);

    /** `files` is the folder of the page's script and style, all that it may load. */
    constructor(private readonly files: vscode.Uri) {}

    resolveWebviewView(view: vscode.WebviewView): void {
        this.view = view;
        view.onDidDispose(() => (this.view = undefined));
        view.webview.options = { enableScripts: true, localResourceRoots: [this.files] };
        view.webview.onDidReceiveMessage((message: FromPage) => this.onMessage(message));
        view.webview.html = this.page(view.webview);
    }

    /** Bring the view to light, for an answer that has only begun, and show there until `done` that it goes on. */
    async begin(done: Promise<unknown>): Promise<void> {
        this.show({ title: '', note: 'Asking.', markdown: '', busy: true });
        void vscode.window.withProgress({ location: { viewId: VIEW } }, () => done);
        await vscode.commands.executeCommand(`${VIEW}.focus`, { preserveFocus: true });
    }

    show(change: Partial<Answer>): void {
        this.answer = { ...this.answer, ...change };
        void vscode.commands.executeCommand('setContext', 'codecompose.busy', this.answer.busy);
        void vscode.commands.executeCommand('setContext', 'codecompose.answered', this.answer.markdown !== '');
        this.post({ kind: 'answer', answer: this.answer });
    }

    /** Show one more piece of the answer. */
    add(text: string): void {
        this.answer = { ...this.answer, markdown: this.answer.markdown + text };
        this.post({ kind: 'piece', text });
    }

    readonly copy = async (): Promise<void> => vscode.env.clipboard.writeText(this.answer.markdown);

    dispose(): void {
        this.registration.dispose();
    }

    private async onMessage(message: FromPage): Promise<void> {
        if (message.kind === 'ready') this.post({ kind: 'answer', answer: this.answer });
        else if (message.kind === 'copy') await vscode.env.clipboard.writeText(message.code);
        else await insert(message.code);
    }

    private post(message: ToPage): void {
        // A page that is not there yet, or not any more, asks for the whole answer when it is ready.
        void this.view?.webview.postMessage(message);
    }

    private page(webview: vscode.Webview): string {
        const address = (name: string): string => webview.asWebviewUri(vscode.Uri.joinPath(this.files, name)).toString();
        return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src ${webview.cspSource}; style-src ${webview.cspSource}">
<link rel="stylesheet" href="${address('answer.css')}">
</head>
<body>
<h1 id="title"></h1>
<p id="note" role="status"></p>
<main id="answer" aria-live="polite"></main>
<script src="${address('answer.js')}"></script>
</body>
</html>`;
    }
}

/** Put code in the place of what is selected in the editor. */
async function insert(code: string): Promise<void> {
    const editor = vscode.window.activeTextEditor;
    if (!editor) return;
    await editor.edit(edit => editor.selections.forEach(selection => edit.replace(selection, code.replace(/\n$/, ''))));
    await vscode.window.showTextDocument(editor.document, { ...(editor.viewColumn && { viewColumn: editor.viewColumn }) });
}

/** Explanations of selected code, as rendered Markdown beside it. */
import * as vscode from 'vscode';
import type { StaticFeature } from 'vscode-languageclient/node';

export const EXPLAIN = 'codecompose.explain';
const SCHEME = 'codecompose';

/** Tells the server that its explanations are shown here, so that it does not show them as messages. */
export const explanationsShown: StaticFeature = {
    fillClientCapabilities: capabilities => {
        capabilities.experimental = { ...capabilities.experimental, codecompose: { explain: true } };
    },
    initialize: () => undefined,
    getState: () => ({ kind: 'static' }),
    clear: () => undefined,
};

export class Explanations implements vscode.Disposable, vscode.TextDocumentContentProvider {
    private text = '';
    private readonly changed = new vscode.EventEmitter<vscode.Uri>();
    private readonly registration = vscode.workspace.registerTextDocumentContentProvider(SCHEME, this);
    readonly onDidChange = this.changed.event;

    provideTextDocumentContent(): string {
        return this.text;
    }

    dispose(): void {
        this.registration.dispose();
        this.changed.dispose();
    }

    /** Take the server's Explain code action on the selection. */
    readonly explainSelection = async (): Promise<void> => {
        const editor = vscode.window.activeTextEditor;
        if (!editor) return;
        const [action] = await vscode.commands.executeCommand<vscode.CodeAction[]>(
            'vscode.executeCodeActionProvider',
            editor.document.uri,
            editor.selection,
            EXPLAIN, // the action's kind is called like its command
        );
        if (action?.command) await vscode.commands.executeCommand(EXPLAIN, ...(action.command.arguments ?? []));
        else void vscode.window.showInformationMessage('CodeCompose LS: nothing to explain here; it explains Python.');
    };

    async show(markdown: string): Promise<void> {
        const uri = vscode.Uri.from({ scheme: SCHEME, path: 'Explanation.md' });
        this.text = markdown;
        this.changed.fire(uri);
        await vscode.commands.executeCommand('markdown.showPreviewToSide', uri);
    }
}

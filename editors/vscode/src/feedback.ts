/** Thumbs up or down, about the suggestion shown last or about an assistant's answer, with a comment if the user has one. */
import * as vscode from 'vscode';
import { ExecuteCommandRequest, type LanguageClient } from 'vscode-languageclient/node';

const FEEDBACK = 'codecompose.feedback';

export type Rating = 'up' | 'down';

export interface About {
    about: 'suggestion' | 'assistant';
    /** Its name. */
    assistant?: string;
}

interface Result {
    kept: boolean;
    sent: boolean;
    message: string;
}

/** Ask for a comment and hand both to the server, which attaches no code; Escape at the box hands over nothing. */
export async function giveFeedback(client: LanguageClient, rating: Rating, about: About): Promise<void> {
    const what = about.about === 'assistant' ? 'Answer' : 'Suggestion';
    const comment = await vscode.window.showInputBox({
        title: `${rating === 'up' ? 'Good' : 'Bad'} ${what}`,
        placeHolder: rating === 'up' ? 'What was good about it?' : 'What should have been there?',
        prompt: 'Enter sends, with a comment or without. No code goes along',
        ignoreFocusOut: true,
    });
    if (comment === undefined) return;
    const document = vscode.window.activeTextEditor?.document;
    const uri = document ? client.code2ProtocolConverter.asUri(document.uri) : null;
    const params = { command: FEEDBACK, arguments: [{ rating, comment, item: null, uri, ...about }] };
    const { message }: Result = await client.sendRequest(ExecuteCommandRequest.type, params);
    void vscode.window.showInformationMessage(`CodeCompose LS: ${message}`);
}

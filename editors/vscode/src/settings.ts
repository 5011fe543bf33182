/** The user's settings as the server takes them; their schema is in package.json. */
import * as vscode from 'vscode';

/** What the user has chosen; null for what was left alone, or is again, so that the server's own settings file decides it. */
export function chosen(extension: vscode.Extension<unknown>): Record<string, unknown> {
    const configuration = vscode.workspace.getConfiguration('codecompose');
    const properties: Record<string, unknown> = extension.packageJSON.contributes.configuration.properties;
    const names = Object.keys(properties).map(name => name.replace('codecompose.', ''));
    return Object.fromEntries(
        names
            .filter(name => !name.startsWith('server.'))
            .map(name => [name, configuration.inspect(name)?.globalValue ?? null]),
    );
}

/** Start the server by another command from now on; nothing leaves it as it is. */
export async function setCommand(command: string[] | undefined): Promise<void> {
    const configuration = vscode.workspace.getConfiguration('codecompose');
    if (command) await configuration.update('server.command', command, vscode.ConfigurationTarget.Global);
}

/** Switch suggestions off, or on again, for all windows. */
export async function toggle(): Promise<void> {
    const configuration = vscode.workspace.getConfiguration('codecompose');
    await configuration.update('enabled', !configuration.get('enabled'), vscode.ConfigurationTarget.Global);
}

/** Switch suggestions off, or on again, in all documents of the active one's language. */
export async function toggleLanguage(): Promise<void> {
    const language = vscode.window.activeTextEditor?.document.languageId;
    if (!language) return;
    const configuration = vscode.workspace.getConfiguration('codecompose');
    const disabled = configuration.get<string[]>('disabledLanguages', []);
    const others = disabled.filter(id => id !== language);
    const now = others.length < disabled.length ? others : [...disabled, language];
    await configuration.update('disabledLanguages', now, vscode.ConfigurationTarget.Global);
}

/** The server's state in the status bar: why suggestions appear, or why they do not. */
import * as vscode from 'vscode';

export interface ServerStatus {
    kind: 'Normal' | 'Warning' | 'Error' | 'Inactive';
    message: string;
    busy: boolean;
}

const ICONS = { Normal: '$(sparkle)', Warning: '$(warning)', Error: '$(error)', Inactive: '$(circle-slash)' };
const BACKGROUNDS: Partial<Record<ServerStatus['kind'], string>> = {
    Warning: 'statusBarItem.warningBackground',
    Error: 'statusBarItem.errorBackground',
};

export class Status implements vscode.Disposable {
    private readonly item = vscode.window.createStatusBarItem('codecompose', vscode.StatusBarAlignment.Right, 100);

    constructor() {
        this.item.name = 'CodeCompose LS';
        this.item.command = 'codecompose.menu';
        this.item.show();
    }

    /** Says what is shown, in one line. */
    message = 'Starting.';

    readonly show = ({ kind, message, busy }: ServerStatus): void => {
        const background = BACKGROUNDS[kind];
        this.item.text = `${busy ? '$(loading~spin)' : ICONS[kind]} CodeCompose`;
        this.message = message || 'Ready.';
        this.item.tooltip = `${this.message}\nClick for the menu.`;
        this.item.accessibilityInformation = { label: `CodeCompose: ${message || 'ready'}` };
        this.item.backgroundColor = background ? new vscode.ThemeColor(background) : undefined;
    };

    dispose(): void {
        this.item.dispose();
    }
}

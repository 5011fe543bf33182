/** The server's state in the status bar: why suggestions appear, or why they do not. */
import * as vscode from 'vscode';

export interface ServerStatus {
    kind: 'Normal' | 'Warning' | 'Error' | 'Inactive';
    message: string;
    busy: boolean;
}

/** What a click does. */
interface Way {
    command: string;
    title: string;
}

const MENU: Way = { command: 'codecompose.menu', title: 'Click for the menu.' };
export const RESTART: Way = { command: 'codecompose.restart', title: 'Click to start it again.' };
export const INSTALL: Way = { command: 'codecompose.install', title: 'Click to install it.' };

const ICONS = { Normal: '$(sparkle)', Warning: '$(warning)', Error: '$(error)', Inactive: '$(circle-slash)' };
const BACKGROUNDS: Partial<Record<ServerStatus['kind'], string>> = {
    Warning: 'statusBarItem.warningBackground',
    Error: 'statusBarItem.errorBackground',
};
/** What is answered sooner would only flicker. */
const NOTICED_AFTER_MS = 150;

export class Status implements vscode.Disposable {
    private readonly item = vscode.window.createStatusBarItem('codecompose', vscode.StatusBarAlignment.Right, 100);
    private now: ServerStatus = { kind: 'Normal', message: 'Starting.', busy: true };
    private way = MENU;
    /** How many requests run, of those that take their time. */
    private running = 0;

    constructor() {
        this.item.name = 'CodeCompose LS';
        this.item.show();
    }

    /** What is shown, in one line. */
    get message(): string {
        return this.now.message || 'Ready.';
    }

    readonly show = (now: ServerStatus): void => this.offer(now, MENU);

    /** Show what a click on the item sets right. */
    offer(now: ServerStatus, way: Way): void {
        [this.now, this.way] = [now, way];
        this.draw();
    }

    /** Show that the server thinks, until it has answered. */
    async during<T>(answer: PromiseLike<T>): Promise<T> {
        let noticed = 0;
        const timer = setTimeout(() => this.think((noticed = 1)), NOTICED_AFTER_MS);
        try {
            return await answer;
        } finally {
            clearTimeout(timer);
            if (noticed) this.think(-noticed);
        }
    }

    dispose(): void {
        this.item.dispose();
    }

    private think(change: number): void {
        this.running += change;
        this.draw();
    }

    private draw(): void {
        const { kind, busy } = this.now;
        const background = BACKGROUNDS[kind];
        const thinking = this.running > 0 && (kind === 'Normal' || kind === 'Warning');
        this.item.text = `${busy || thinking ? '$(loading~spin)' : ICONS[kind]} CodeCompose`;
        this.item.tooltip = `${thinking ? 'Thinking: ' : ''}${this.message}\n${this.way.title}`;
        this.item.accessibilityInformation = { label: `CodeCompose: ${thinking ? 'thinking, ' : ''}${this.message}` };
        this.item.backgroundColor = background ? new vscode.ThemeColor(background) : undefined;
        this.item.command = this.way.command;
    }
}

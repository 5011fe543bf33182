/** What the extension and the page in the side view tell each other. */

export interface Answer {
    title: string;
    /** How it stands, in one line. */
    note: string;
    markdown: string;
    busy: boolean;
}

export type ToPage = { kind: 'answer'; answer: Answer } | { kind: 'piece'; text: string };
export type FromPage = { kind: 'ready' } | { kind: 'insert' | 'copy'; code: string };

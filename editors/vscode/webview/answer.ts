/**
 * The page in the side view: an assistant's answer as it comes.
 *
 * Markdown comes from models, so it is data: no HTML of its own, no images, links to the web alone (VS Code asks before it opens
 * one), and the page's policy loads nothing from elsewhere.
 */
import MarkdownIt from 'markdown-it';
import type { Answer, FromPage, ToPage } from './messages';

declare function acquireVsCodeApi(): { postMessage(message: FromPage): void };

const extension = acquireVsCodeApi();
const markdown = new MarkdownIt({ html: false }).disable('image');
markdown.validateLink = address => /^https?:/i.test(address);
const fence = markdown.renderer.rules.fence!;
markdown.renderer.rules.fence = (...block) =>
    `<div class="code">${fence(...block)}<button value="insert">Insert at Cursor</button> <button value="copy">Copy</button></div>`;

const title = document.getElementById('title')!;
const note = document.getElementById('note')!;
const main = document.getElementById('answer')!;

let answer: Answer = { title: '', note: '', markdown: '', busy: false };
/** The HTML of the blocks on the page. */
let drawn: string[] = [];
let frame = 0;

addEventListener('message', ({ data }: MessageEvent<ToPage>) => {
    answer = data.kind === 'answer' ? data.answer : { ...answer, markdown: answer.markdown + data.text };
    frame ||= requestAnimationFrame(draw);
});

main.addEventListener('click', ({ target }) => {
    if (!(target instanceof HTMLButtonElement)) return;
    const code = target.closest('.code')?.querySelector('code')?.textContent ?? '';
    extension.postMessage({ kind: target.value === 'insert' ? 'insert' : 'copy', code });
});

/** Draw what has changed; blocks that stand keep what is selected in them. */
function draw(): void {
    frame = 0;
    const isAtEnd = innerHeight + scrollY >= document.documentElement.scrollHeight - 4;
    title.textContent = answer.title;
    note.textContent = answer.note;
    main.ariaBusy = String(answer.busy);
    const html = blocks(answer.markdown);
    html.forEach((block, number) => {
        if (drawn[number] === block) return;
        const element = main.children[number] ?? main.appendChild(document.createElement('section'));
        element.innerHTML = block;
    });
    while (main.children.length > html.length) main.lastElementChild!.remove();
    drawn = html;
    if (isAtEnd && answer.busy) scrollTo(0, document.documentElement.scrollHeight);
}

/** The HTML of each block of the top level. */
function blocks(text: string): string[] {
    const environment = {};
    const groups: ReturnType<typeof markdown.parse>[] = [];
    let depth = 0;
    for (const token of markdown.parse(text, environment)) {
        if (depth === 0) groups.push([]);
        groups.at(-1)!.push(token);
        depth += token.nesting;
    }
    return groups.map(tokens => markdown.renderer.render(tokens, markdown.options, environment));
}

extension.postMessage({ kind: 'ready' });

// A Python editor for one cell.

import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { python } from "@codemirror/lang-python";
import { bracketMatching, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { EditorState, StateEffect, StateField } from "@codemirror/state";
import { Decoration, EditorView, keymap } from "@codemirror/view";
import { classHighlighter } from "@lezer/highlight";

/** @type {import("@codemirror/state").StateEffectType<number | null>} */
const setLine = StateEffect.define();

const faulty = StateField.define({
  create: () => Decoration.none,
  update(marks, change) {
    let now = change.docChanged ? Decoration.none : marks;
    for (const effect of change.effects) {
      if (!effect.is(setLine)) continue;
      const line = effect.value;
      const known = line !== null && line >= 1 && line <= change.state.doc.lines;
      now = known
        ? Decoration.set([Decoration.line({ class: "relunb-faulty" }).range(change.state.doc.line(line).from)])
        : Decoration.none;
    }
    return now;
  },
  provide: (field) => EditorView.decorations.from(field),
});

/** Mark the line of an error, or none. @param {EditorView} view @param {number | null} line */
export function lineOf(view, line) {
  view.dispatch({ effects: setLine.of(line) });
}

/**
 * @param {string} text
 * @param {{ run: () => void, changed: (text: string) => void }} on
 */
export function editor(text, on) {
  const run = () => {
    on.run();
    return true;
  };
  const view = new EditorView({
    state: EditorState.create({
      doc: text,
      extensions: [
        keymap.of([{ key: "Shift-Enter", run }]),
        keymap.of([...defaultKeymap, ...historyKeymap]),
        history(),
        python(),
        indentUnit.of("    "),
        indentOnInput(),
        bracketMatching(),
        syntaxHighlighting(classHighlighter),
        faulty,
        EditorView.contentAttributes.of({ "aria-label": "Cell. Shift-Enter runs it." }),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) on.changed(update.state.doc.toString());
        }),
      ],
    }),
  });
  // What is typed here is not for the page, where "/" goes to the search and an arrow to the next chapter.
  view.dom.addEventListener("keydown", (event) => event.stopPropagation());
  return view;
}

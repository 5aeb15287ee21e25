/** The coloured field of a prompt, on CodeMirror. Loaded when a prompt is first shown. */
import { history, historyKeymap, isolateHistory, standardKeymap } from '@codemirror/commands'
import { Annotation, Compartment, EditorState, StateEffect, StateField } from '@codemirror/state'
import { Decoration, keymap, placeholder, type DecorationSet } from '@codemirror/view'
import { EditorView } from 'codemirror'
import { StyleModule } from 'style-mod'

import { editByKey, type TextSelection } from '../generation/attention'
import { tokenize } from './tokens'

/** What a plugin's page may read and write: on the editor's element as `promptField`. */
export interface PromptField {
  readonly value: string
  readonly selectionStart: number
  readonly selectionEnd: number
  setSelectionRange(start: number, end: number): void
  insert(start: number, end: number, text: string): void
  caretAt(at: number): { left: number; top: number; line: number } | null // pixels of the window
  describe(attributes: Record<string, string>): void // of ARIA, in place of those given before
}

export interface PromptEditor {
  write(text: string): void
  select(start: number, end: number): void
  setLabels(label: string, hint: string, describedBy: string): void
  focus(): void
  measure(): void
  destroy(): void
}

interface EditorSetup extends TextSelection {
  kind: 'positive' | 'negative'
  changed: (text: string) => void
  beforeKey: () => void
}

const fromOutside = Annotation.define<boolean>()
const setDescription = StateEffect.define<Record<string, string>>()

const description = StateField.define<Record<string, string>>({
  create: () => ({}),
  update: (value, { effects }) => effects.find((each) => each.is(setDescription))?.value ?? value,
  provide: (field) => EditorView.contentAttributes.from(field),
})

const colours = StateField.define<DecorationSet>({
  create: ({ doc }) => decorate(doc.toString()),
  update: (value, change) => (change.docChanged ? decorate(change.newDoc.toString()) : value),
  provide: (field) => EditorView.decorations.from(field),
})

function decorate(text: string): DecorationSet {
  const marks = tokenize(text).map(({ from, to, kind }) =>
    Decoration.mark({ class: `prompt-${kind}` }).range(from, to),
  )
  return Decoration.set(marks, true)
}

/**
 * CodeMirror writes its rules into a <style> element, which a strict Content-Security-Policy forbids,
 * unless the document has a sheet of its already. This gives it a constructed one.
 */
function allowStyles() {
  const root = { ownerDocument: document, adoptedStyleSheets: [] as CSSStyleSheet[] }
  StyleModule.mount(root as unknown as ShadowRoot, [])
  for (const key of Object.getOwnPropertySymbols(root)) {
    if (!(key in document)) Object.assign(document, { [key]: (root as Record<symbol, unknown>)[key] })
  }
}

export function openPromptEditor(parent: HTMLElement, setup: EditorSetup): PromptEditor {
  allowStyles()
  const labels = new Compartment()
  const view: EditorView = new EditorView({
    parent,
    state: EditorState.create({
      doc: setup.text,
      selection: { anchor: setup.start, head: setup.end },
      extensions: [
        EditorView.domEventHandlers({
          keydown: (event) => {
            setup.beforeKey()
            return changeByKey(view, event)
          },
          // The page reads the settings of a picture; CodeMirror would read it as a text.
          drop: (event) => holdsFiles(event.dataTransfer),
          paste: (event) => holdsFiles(event.clipboardData),
        }),
        history(),
        keymap.of([...historyKeymap, ...standardKeymap]),
        EditorView.lineWrapping,
        EditorState.tabSize.of(2),
        EditorView.contentAttributes.of({ 'data-prompt': setup.kind, spellcheck: 'true' }),
        labels.of([]),
        description,
        colours,
        EditorView.updateListener.of((update) => {
          if (!update.docChanged) return
          const outside = update.transactions.some((each) => each.annotation(fromOutside))
          if (!outside) setup.changed(update.state.doc.toString())
          const typed = update.transactions.some(
            (each) => each.isUserEvent('input.type') || each.isUserEvent('delete'),
          )
          // CodeMirror writes what keys do itself: the browser tells of no input then.
          view.contentDOM.dispatchEvent(new CustomEvent('promptinput', { bubbles: true, detail: { typed } }))
        }),
      ],
    }),
  })
  Object.assign(view.contentDOM, { promptField: fieldOf(view) })
  return {
    write: (text) => writeAll(view, text),
    select: (anchor, head) => view.dispatch({ selection: { anchor, head }, scrollIntoView: true }),
    setLabels(label, hint, describedBy) {
      const attributes = { 'aria-label': label, 'aria-describedby': describedBy }
      view.dispatch({
        effects: labels.reconfigure([EditorView.contentAttributes.of(attributes), placeholder(hint)]),
      })
    },
    focus: () => view.focus(),
    measure: () => view.requestMeasure(),
    destroy: () => view.destroy(),
  }
}

/** Replace the text as one step that can be undone. */
function writeAll(view: EditorView, text: string) {
  if (view.state.doc.toString() === text) return
  view.dispatch({
    changes: { from: 0, to: view.state.doc.length, insert: text },
    annotations: [isolateHistory.of('full'), fromOutside.of(true)],
  })
}

function holdsFiles(data: DataTransfer | null): boolean {
  return data !== null && data.files.length > 0 && data.getData('text/plain') === ''
}

/** Weights and order by keys; true if this key does something. */
function changeByKey(view: EditorView, event: KeyboardEvent): boolean {
  if (event.isComposing || view.composing) return false
  const { from, to } = view.state.selection.main
  const before = { text: view.state.doc.toString(), start: from, end: to }
  const after = editByKey(before, event)
  if (!after) return false
  if (after.text !== before.text) {
    view.dispatch({
      changes: { from: 0, to: before.text.length, insert: after.text },
      selection: { anchor: after.start, head: after.end },
      annotations: isolateHistory.of('full'),
      scrollIntoView: true,
    })
  } else view.dispatch({ selection: { anchor: after.start, head: after.end } })
  return true
}

function fieldOf(view: EditorView): PromptField {
  return {
    get value() {
      return view.state.doc.toString()
    },
    get selectionStart() {
      return view.state.selection.main.from
    },
    get selectionEnd() {
      return view.state.selection.main.to
    },
    setSelectionRange: (anchor, head) => view.dispatch({ selection: { anchor, head } }),
    insert: (from, to, text) =>
      view.dispatch({
        changes: { from, to, insert: text },
        selection: { anchor: from + text.length },
        annotations: isolateHistory.of('full'),
        scrollIntoView: true,
      }),
    caretAt(at) {
      const place = view.coordsAtPos(at)
      return place && { left: place.left, top: place.top, line: place.bottom - place.top }
    },
    describe: (attributes) => view.dispatch({ effects: setDescription.of(attributes) }),
  }
}

// Base components: status pill, time, table, states of a page, dialog with labelled fields.

import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { Problem } from './api';
import { local, relative, utc, words } from './format';
import type { OrderStatus } from './types';

const SHAPES: Record<OrderStatus, string> = {
  pending: '○',
  payment_confirmed: '◔',
  preparing: '◑',
  shipped: '▶',
  delivered: '✓',
  cancelled: '–',
  failed: '✕',
};

/** Shows a status by its shape and its word. The colour only repeats them. */
export function StatusPill({ status }: { status: OrderStatus }) {
  return (
    <span class={`pill pill-${status}`}>
      <span aria-hidden="true">{SHAPES[status]}</span> {words(status)}
    </span>
  );
}

/** Shows the age of a time, with the zone of the operator and UTC in the title. */
export function Time({ at, now }: { at: string; now: number }) {
  return (
    <time dateTime={at} title={`${local(at)}\n${utc(at)}`}>
      {relative(at, now)}
    </time>
  );
}

export interface Column<Row> {
  head: string;
  cell: (row: Row) => ComponentChildren;
  number?: boolean;
}

export function Table<Row>({ caption, columns, rows, id }: {
  caption: string;
  columns: Column<Row>[];
  rows: Row[];
  id: (row: Row) => string;
}) {
  const kind = (column: Column<Row>) => (column.number ? 'number' : undefined);
  return (
    <table>
      <caption>{caption}</caption>
      <thead>
        <tr>{columns.map((column) => <th key={column.head} scope="col" class={kind(column)}>{column.head}</th>)}</tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={id(row)}>
            {columns.map((column) => (
              <td key={column.head} data-head={column.head} class={kind(column)}><bdi>{column.cell(row)}</bdi></td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export const Loading = () => <p role="status">Loading…</p>;

export const Empty = ({ children }: { children: ComponentChildren }) => <p class="empty">{children}</p>;

/** Shows an error with its next step. `seen` is the time of the data that is still shown. */
export function Failed({ error, seen, now }: { error: unknown; seen?: string | undefined; now: number }) {
  const problem = error instanceof Problem ? error : null;
  return (
    <div role="alert" class="failed">
      <strong>{problem?.title ?? 'The page failed'}</strong>
      <p>{error instanceof Error ? error.message : 'Unknown error'}</p>
      {problem?.document?.errors?.map(({ pointer, detail }) => <p key={pointer}>{pointer}: {detail}</p>)}
      {problem && <p>{problem.nextStep}</p>}
      {problem && <p class="quiet">HTTP {problem.status}{problem.requestId && `, request ${problem.requestId}`}</p>}
      {seen && <p>The data below is old: <Time at={seen} now={now} />.</p>}
    </div>
  );
}

export interface Field {
  name: string;
  label: string;
  hint?: string;
  required?: boolean;
  type?: 'text' | 'password';
  choices?: [string, string][];
}

/** A modal dialog. `send` rejects with an error, which the dialog shows without losing the entries. */
export function FormDialog({ title, explanation, fields, confirm, keep, dangerous, send, close }: {
  title: string;
  explanation?: string;
  fields: Field[];
  confirm: string;
  keep: string;
  dangerous?: boolean;
  send: (entered: Record<string, string>) => Promise<void>;
  close: () => void;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => dialog.current?.showModal(), []);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const entered = new FormData(event.currentTarget as HTMLFormElement);
    setBusy(true);
    try {
      await send(Object.fromEntries([...entered].map(([name, value]) => [name, String(value).trim()])));
      close();
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return (
    <dialog ref={dialog} aria-labelledby={`${id}-title`} onClose={close}>
      <form onSubmit={submit}>
        <h2 id={`${id}-title`}>{title}</h2>
        {explanation && <p>{explanation}</p>}
        {error !== null && <Failed error={error} now={Date.now()} />}
        {fields.map((field) => {
          const common = { id: `${id}-${field.name}`, name: field.name, required: field.required ?? false,
            ...(field.hint ? { 'aria-describedby': `${id}-${field.name}-hint` } : {}) };
          return (
            <div key={field.name} class="field">
              <label for={common.id}>{field.label}</label>
              {field.choices
                ? <select {...common}>{field.choices.map(([value, label]) => <option key={value} value={value}>{label}</option>)}</select>
                : <input {...common} type={field.type ?? 'text'} autocomplete="off" />}
              {field.hint && <small id={`${id}-${field.name}-hint`}>{field.hint}</small>}
            </div>
          );
        })}
        <div class="row">
          <button type="submit" class={dangerous ? 'dangerous' : 'first'} disabled={busy}>{confirm}</button>
          <button type="button" onClick={close}>{keep}</button>
        </div>
      </form>
    </dialog>
  );
}

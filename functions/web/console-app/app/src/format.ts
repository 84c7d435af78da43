// Amounts and times, in the operator's language and zone.

/** Returns an amount with its currency, or without one if the order has none yet. */
export function amount(value: number | null, currency: string | null, locale?: string): string {
  if (value === null) return '–';
  if (!currency) return new Intl.NumberFormat(locale).format(value);
  return new Intl.NumberFormat(locale, { style: 'currency', currency }).format(value);
}

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
];

/** Returns the distance of a time from `now`, in its largest whole unit. */
export function relative(time: string, now: number, locale?: string): string {
  const distance = Date.parse(time) - now;
  const format = new Intl.RelativeTimeFormat(locale, { numeric: 'always', style: 'short' });
  for (const [unit, length] of UNITS) {
    if (Math.abs(distance) >= length) return format.format(Math.trunc(distance / length), unit);
  }
  return format.format(0, 'second');
}

/** Returns a time in UTC, to the second. */
export function utc(time: string): string {
  return `${new Date(time).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** Returns a time in the zone of the operator, with the zone's name. */
export function local(time: string, locale?: string): string {
  return new Intl.DateTimeFormat(locale, {
    year: 'numeric', month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit',
    second: '2-digit', timeZoneName: 'short',
  }).format(new Date(time));
}

/** Returns a code of the API as words: `out_of_stock` is "out of stock". */
export const words = (code: string): string => code.replace(/[_-]/g, ' ');

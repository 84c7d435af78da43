// The filters of the order list, as the part of the URL after `#/orders`.

const NAMES = ['q', 'status', 'attention', 'sort'] as const;
export type Filters = Partial<Record<(typeof NAMES)[number], string>>;

/** Reads the filters from the fragment of a URL. Unknown names are dropped. */
export function readFilters(hash: string): Filters {
  const query = new URLSearchParams(hash.split('?')[1] ?? '');
  const filters: Filters = {};
  for (const name of NAMES) {
    const value = query.get(name)?.trim();
    if (value) filters[name] = value;
  }
  return filters;
}

/** Returns the query of the filters in a fixed order, so that equal filters have equal URLs. */
export function writeFilters(filters: Filters): string {
  const query = new URLSearchParams();
  for (const name of NAMES) {
    const value = filters[name]?.trim();
    if (value) query.set(name, value);
  }
  return query.toString();
}

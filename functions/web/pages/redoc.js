// ReDoc with our API description. Its search is off: it needs a worker from a blob URL, which our content security
// policy forbids. The search of the browser finds everything. The page loads no fonts.
const system = 'system-ui, sans-serif';
Redoc.init(
  new URL('openapi.json', document.baseURI).href,
  {
    disableSearch: true,
    expandResponses: '200,202',
    sortRequiredPropsFirst: true,
    theme: {
      typography: {
        fontFamily: system,
        headings: { fontFamily: system },
        code: { fontFamily: 'ui-monospace, monospace' },
      },
    },
  },
  document.getElementById('redoc'),
);

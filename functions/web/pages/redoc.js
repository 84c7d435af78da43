// ReDoc on our document. Its search would need a worker made of text, which our policy forbids; the browser's own
// search finds everything on the page. The fonts are those of the reader's machine.
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

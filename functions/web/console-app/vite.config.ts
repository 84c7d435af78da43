import { defineConfig } from 'vitest/config';

// Relative addresses, because the root of the API can include a stage. No inlined asset and no
// module preload helper, because the content security policy allows files of this origin only.
export default defineConfig({
  root: 'app',
  base: './',
  esbuild: { jsx: 'automatic', jsxImportSource: 'preact' },
  build: {
    outDir: '../dist',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: {
      output: {
        entryFileNames: 'console.js',
        chunkFileNames: '[name].js',
        assetFileNames: 'console[extname]',
      },
    },
  },
  test: { environment: 'jsdom', environmentOptions: { jsdom: { url: 'http://localhost/' } } },
});

// Rules for the page's scripts. `make lint` applies them where Node can fetch ESLint.
const BROWSER = [
  'DataTransfer', 'DragEvent', 'Event', 'ImageData', 'Image', 'MutationObserver', 'ResizeObserver', 'URL',
  'URLSearchParams', 'addEventListener', 'atob', 'clearTimeout', 'document', 'history', 'indexedDB', 'location',
  'navigator', 'requestAnimationFrame', 'sessionStorage', 'setTimeout',
];

export default [{
  files: ['dala/**/*.js'],
  languageOptions: {
    ecmaVersion: 2022,
    sourceType: 'script',
    globals: Object.fromEntries(BROWSER.map(name => [name, 'readonly'])),
  },
  linterOptions: {reportUnusedDisableDirectives: 'error'},
  rules: {
    'eqeqeq': 'error',
    'max-len': ['error', {code: 120}],
    'max-lines': ['error', {max: 250}],
    'max-lines-per-function': ['error', {max: 40}],
    'no-implicit-globals': ['error', {lexicalBindings: true}],
    'no-redeclare': 'error',
    'no-undef': 'error',
    'no-unused-vars': 'error',
    'no-var': 'error',
    'prefer-const': 'error',
    'strict': ['error', 'function'],
  },
}];

// The page's address holds every choice of the visitor, and no picture: a link to it restores them.
(dala => {
'use strict';

let known = location.search;

function query() {
  return new URLSearchParams(location.search);
}

// The address before the browser went Back.
function before() {
  return new URLSearchParams(known);
}

// Puts values into the address; empty ones are left out. `push`: Back returns to the address before.
function write(values, push = false) {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(values)) {
    if ([null, undefined, '', false].includes(value)) url.searchParams.delete(name);
    else url.searchParams.set(name, value === true ? 1 : value);
  }
  if (url.href !== location.href) history[push ? 'pushState' : 'replaceState'](history.state, '', url);
  known = location.search;
}

// Copies the address. Without a clipboard, as on plain http in a local network, it offers the address as selected text.
async function copy(button, field) {
  try {
    await navigator.clipboard.writeText(location.href);
  } catch {
    Object.assign(field, {value: location.href, hidden: false});
    field.focus();
    field.select();
    button.textContent = 'press Ctrl+C';
    return;
  }
  button.textContent = 'copied';
  setTimeout(() => { button.textContent = 'copy link'; }, 2000);
}

dala.address ??= {query, before, write, copy};
})(globalThis.dala ??= {});

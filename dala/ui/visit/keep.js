// Keeps the last upload of this browser tab, so that a reload and Back can send it again. The server deletes its copy
// after an hour, and so does the next visit here.
(dala => {
'use strict';

const HOUR = 3600e3, STORE = 'uploads', TAB = 'dala-tab';

// Runs one request on the store; null where the browser keeps nothing, as some do in private windows.
function run(mode, request) {
  return new Promise(resolve => {
    const open = indexedDB.open('dala', 1);
    open.onupgradeneeded = () => open.result.createObjectStore(STORE);
    open.onerror = () => resolve(null);
    open.onsuccess = () => {
      const change = open.result.transaction(STORE, mode), asked = request(change.objectStore(STORE));
      change.oncomplete = () => { open.result.close(); resolve(asked?.result ?? null); };
      change.onabort = change.onerror = () => { open.result.close(); resolve(null); };
    };
  });
}

async function safely(mode, request) {
  try {
    return await run(mode, request);
  } catch {
    return null;
  }
}

// Names the browser tab: two tabs of one browser keep two pictures.
function tab() {
  if (!sessionStorage.getItem(TAB)) sessionStorage.setItem(TAB, `${Date.now()}-${Math.random()}`);
  return sessionStorage.getItem(TAB);
}

function put(file) {
  return safely('readwrite', store => store.put({file, at: Date.now()}, tab()));
}

async function get() {
  return (await safely('readonly', store => store.get(tab())))?.file ?? null;
}

function tidy() {
  return safely('readwrite', store => {
    store.openCursor().onsuccess = ({target: {result: cursor}}) => {
      if (!cursor) return;
      if (Date.now() - cursor.value.at > HOUR) cursor.delete();
      cursor.continue();
    };
  });
}

dala.keep = {put, get, tidy};
})(globalThis.dala ??= {});

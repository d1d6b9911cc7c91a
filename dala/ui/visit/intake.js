// Pictures from anywhere on the page: pasted, dropped, or chosen in the patch's own field.
(dala => {
'use strict';

const ONE = 'One patch at a time: the first file is shown.';
const NONE = 'No picture file was dropped. Save the picture first, then drop the file or choose it.';

let dragged = null;

function field() {
  return document.querySelector('.patch input[type=file]');
}

// Hands a file to the patch, as if it had been chosen there.
function take(file) {
  const input = field(), files = new DataTransfer();
  if (!input) return;
  files.items.add(file);
  input.files = files.files;
  input.dispatchEvent(new Event('change', {bubbles: true}));
}

function takeFirst(files, say) {
  say(files.length > 1 ? ONE : '');
  take(files[0]);
}

function paste(event, say) {
  const files = [...event.clipboardData?.files ?? []];
  if (!files.length) return;
  event.preventDefault();
  takeFirst(files, say);
}

// A sample that is dragged onto the page is chosen; any other part of the page that is dragged changes nothing.
function drop(event, say) {
  const files = [...event.dataTransfer?.files ?? []], own = dragged;
  event.preventDefault();
  event.stopPropagation();
  // The component under the pointer would wait for a drop that never comes.
  event.target.dispatchEvent(new DragEvent('dragleave', {bubbles: true}));
  dragged = null;
  if (own) own.closest?.('.pictures .thumbnail-item')?.click();
  else if (files.length) takeFirst(files, say);
  else say(NONE);
}

// say: shows a sentence to the visitor; chosen: called with every file that is sent.
function listen(say, chosen) {
  const capture = true;
  document.addEventListener('paste', event => paste(event, say), {capture});
  document.addEventListener('dragstart', event => { dragged = event.target; }, {capture});
  document.addEventListener('dragend', () => { dragged = null; }, {capture});
  document.addEventListener('dragover', event => event.preventDefault(), {capture});
  document.addEventListener('drop', event => drop(event, say), {capture});
  document.addEventListener('change', ({target}) => {
    if (target === field() && target.files.length) chosen(target.files[0]);
  }, {capture});
}

dala.intake = {listen, take};
})(globalThis.dala ??= {});

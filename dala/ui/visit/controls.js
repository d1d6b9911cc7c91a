// Repairs of Gradio's controls: radio buttons of one group share a name, so that arrow keys move between them; a choice
// of methods offers no more than can be shown.
(dala => {
'use strict';

function group() {
  document.querySelectorAll('.gradio-container fieldset').forEach((field, i) => {
    for (const radio of field.querySelectorAll(':scope > .wrap input[type=radio]')) radio.name = `choice-${i}`;
  });
}

// At most data of `.methods`, such as "at-least-2 at-most-6": beyond them, boxes are disabled.
function limit() {
  for (const field of document.querySelectorAll('.methods')) {
    const [fewest, most] = ['least', 'most'].map(word =>
      Number(field.className.match(new RegExp(`at-${word}-(\\d+)`))?.[1]));
    const boxes = [...field.querySelectorAll('input[type=checkbox]')], chosen = boxes.filter(box => box.checked).length;
    for (const box of boxes) {
      box.disabled = box.checked ? chosen <= fewest : chosen >= most;
      const why = box.checked ? `At least ${fewest} are compared.` : `At most ${most} are compared: untick one first.`;
      box.closest('label').title = box.disabled ? why : '';
    }
  }
}

function tend() {
  group();
  limit();
}

// Gradio draws its controls anew after every answer of the server.
function watch() {
  new MutationObserver(tend).observe(document.body, {childList: true, subtree: true});
  document.addEventListener('change', () => requestAnimationFrame(limit));
  tend();
}

dala.controls = {watch};
})(globalThis.dala ??= {});

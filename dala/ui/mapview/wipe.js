// Two panels laid over each other, separated by a line that the mouse and the arrow keys move.
(dala => {
'use strict';

const PARTS = {
  left: '.left', right: '.right', under: '.under', over: '.over', line: '.stage i', stage: '.stage',
  share: '.share input',
};

function repaint({parts: {wipe}, scene}, {left, right, under, over, line, share}) {
  if (!wipe.open || !scene) return;
  for (const [canvas, choice] of [[under, left], [over, right]]) {
    const panel = scene.panels[choice.value], {width, height} = scene;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, {width, height});
    canvas.getContext('2d').drawImage(panel.canvas, 0, 0);
    canvas.setAttribute('aria-label', panel.canvas.getAttribute('aria-label'));
  }
  const [first, second] = [left, right].map(choice => scene.panels[choice.value].title);
  over.style.clipPath = `inset(0 0 0 ${share.value}%)`;
  line.style.left = `${share.value}%`;
  share.setAttribute('aria-valuetext', `${first} up to ${share.value} %, then ${second}`);
}

// Offers the panels of a new value; a chosen panel that is still there stays chosen.
function show({settings, parts: {wipe}, scene}, {left, right}) {
  wipe.hidden = !settings.together || scene.panels.length < 2;
  [left, right].forEach((choice, i) => {
    const title = choice.selectedOptions[0]?.textContent;
    choice.replaceChildren();
    scene.panels.forEach((panel, value) => dala.mapview.make('option', choice, {value, textContent: panel.title}));
    const same = scene.panels.findIndex(panel => panel.title === title);
    choice.value = same < 0 ? i : same;
  });
}

// Binds the wipe of a viewer.
function attach(viewer) {
  const {wipe} = viewer.parts, redraw = () => repaint(viewer, parts);
  const parts = Object.fromEntries(
    Object.entries(PARTS).map(([name, selector]) => [name, wipe.querySelector(selector)]));
  const drag = event => {
    if (!event.buttons) return;
    parts.share.value = 100 * event.offsetX / parts.stage.clientWidth;
    redraw();
  };
  for (const choice of [parts.left, parts.right]) choice.addEventListener('change', redraw);
  parts.share.addEventListener('input', redraw);
  wipe.addEventListener('toggle', redraw);
  parts.stage.addEventListener('pointerdown', drag);
  parts.stage.addEventListener('pointermove', drag);
  viewer.onPaint.push(redraw);
  viewer.onShow.push(() => show(viewer, parts));
}

dala.wipe = {attach};
})(globalThis.dala ??= {});

// Around the maps: notes that qualify them, the planted focus of a phantom, one map enlarged, the maps on full screen.
//
// props.value.notes: sentences; props.value.planted: the mask of a planted focus as a picture in a data URL, or absent.
(dala => {
'use strict';

const THICK = 3;  // pixels of an outline's border on either side

// The border of a mask, white with a black rim, on a canvas of the mask's size.
async function outline(url) {
  const mask = Object.assign(new Image(), {src: url});
  await mask.decode();
  const {naturalWidth: width, naturalHeight: height} = mask, canvas = document.createElement('canvas');
  Object.assign(canvas, {width, height});
  const pen = canvas.getContext('2d', {willReadFrequently: true});
  pen.drawImage(mask, 0, 0);
  const {data} = pen.getImageData(0, 0, width, height), image = new ImageData(width, height);
  const inside = (x, y) => x >= 0 && y >= 0 && x < width && y < height && data[4 * (y * width + x)] > 127;
  const differs = (x, y, d) => [[d, 0], [-d, 0], [0, d], [0, -d]].some(([dx, dy]) => !inside(x + dx, y + dy));
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i += 4) {
      if (!inside(x, y) || !differs(x, y, 2 * THICK)) continue;
      image.data.fill(differs(x, y, THICK) ? 255 : 0, i, i + 3);
      image.data[i + 3] = 255;
    }
  }
  pen.putImageData(image, 0, 0);
  return canvas;
}

// Draws the planted focus over every map, if the visitor wants to see it.
async function plant(viewer) {
  const {scene, planted, parts} = viewer;
  for (const old of parts.panels.querySelectorAll('.planted')) old.remove();
  if (!planted?.box.checked || !scene) return;
  const border = await outline(planted.url);
  if (viewer.scene !== scene || viewer.planted !== planted || !planted.box.checked) return;
  for (const {stage} of scene.panels) {
    const copy = dala.mapview.make('canvas', stage, {className: 'planted', width: border.width, height: border.height});
    copy.setAttribute('aria-hidden', 'true');
    copy.getContext('2d').drawImage(border, 0, 0);
  }
}

function showNotes(viewer) {
  const {make} = dala.mapview, {host: {props}, parts: {notes}} = viewer;
  const value = props.value, wanted = viewer.planted?.box.checked ?? dala.address.query().has('planted');
  notes.replaceChildren();
  viewer.planted = null;
  for (const text of [...value?.notes ?? []]) make('p', notes, {textContent: text});
  if (!value?.planted) return;
  const line = make('label', notes), box = make('input', line, {type: 'checkbox', checked: wanted});
  line.append(' show the planted focus');
  box.addEventListener('change', () => {
    dala.address.write({planted: box.checked});
    plant(viewer);
  });
  viewer.planted = {box, url: value.planted};
}

// A button by which one map takes the whole width.
function enlarge({parts: {panels}}, {figure, head, title}) {
  const button = dala.mapview.make('button', head, {type: 'button', className: 'large', textContent: '⤢'});
  const press = on => {
    figure.classList.toggle('wide', on);
    button.setAttribute('aria-pressed', String(on));
  };
  button.setAttribute('aria-label', `Enlarge ${title}`);
  button.title = 'Enlarge this map, or make it small again';
  press(false);
  button.addEventListener('click', () => {
    const on = !figure.classList.contains('wide');
    for (const other of panels.querySelectorAll('.large[aria-pressed=true]')) other.click();
    press(on);
  });
}

function show(viewer) {
  const {scene, parts: {panels}} = viewer, {width, height} = scene;
  panels.style.setProperty('--own', `${width}px`);
  panels.style.setProperty('--aspect', width / height);
  if (scene.panels.length > 1) scene.panels.forEach(panel => enlarge(viewer, panel));
  showNotes(viewer);
  plant(viewer);
}

// The whole view on the whole screen; where a browser has no such mode, over the whole page.
async function fill({host: {element}, parts: {whole}}) {
  const on = !element.classList.contains('filling');
  element.classList.toggle('filling', on);
  whole.textContent = on ? 'leave full screen' : 'full screen';
  try {
    if (on) await element.requestFullscreen();
    else if (document.fullscreenElement) await document.exitFullscreen();
  } catch {
    // It fills the page instead.
  }
}

function leave(viewer) {
  if (viewer.host.element.classList.contains('filling')) fill(viewer);
}

function attach(viewer) {
  const {host: {element}, parts: {whole}} = viewer;
  whole.addEventListener('click', () => fill(viewer));
  element.addEventListener('keydown', ({key}) => { if (key === 'Escape') leave(viewer); });
  document.addEventListener('fullscreenchange', () => { if (!document.fullscreenElement) leave(viewer); });
  viewer.onShow.push(() => show(viewer));
}

dala.frame = {attach};
})(globalThis.dala ??= {});

// The map view: draws what Python sent, and holds no rule and no statistics of its own.
// props.value: {picture, words, layer, maps: [{title, raw, grid, max, place, tables, cells}], panels: [{title, note, map, kept}]},
// or null. SETTINGS.together: panels are compared, and one switch thresholds them all.
// A table's rows are [strength, tau, kept area]. props is a proxy: it is read once a value, never in a loop.

const find = selector => element.querySelector(selector);
const [panels, rules, strength, words, live] = ['.panels', '.rules', '.strength input', '.words', '.live'].map(find);
const [opacity, palette, contour, download] = ['.opacity', '.palette', '.contour', '.download'].map(find);
const [cutAll, level, shared] = ['.cut-all', '.level', '.shared'].map(find);
const RULES = SETTINGS.rules, PALETTES = SETTINGS.palettes, radios = {}, positions = {};
let view = null, speak = 0, rule = SETTINGS.start_rule;
const followers = [], extras = {};  // called after every repaint; called for what else a download tells

function make(name, parent, fields = {}) {
  return parent.appendChild(Object.assign(document.createElement(name), fields));
}

function bytes(base64) {
  return Uint8Array.from(atob(base64), c => c.charCodeAt(0));
}

// Bilinear, align_corners=False, as torch's interpolate.
function upsample(map, [h, w], height, width) {
  const out = new Float32Array(height * width);
  const at = (i, n, size) => Math.min(Math.max((i + 0.5) * n / size - 0.5, 0), n - 1);
  for (let y = 0; y < height; y++) {
    const sy = at(y, h, height), y0 = Math.floor(sy), y1 = Math.min(y0 + 1, h - 1), fy = sy - y0;
    for (let x = 0; x < width; x++) {
      const sx = at(x, w, width), x0 = Math.floor(sx), x1 = Math.min(x0 + 1, w - 1), fx = sx - x0;
      const top = map[y0 * w + x0] * (1 - fx) + map[y0 * w + x1] * fx;
      const low = map[y1 * w + x0] * (1 - fx) + map[y1 * w + x1] * fx;
      out[y * width + x] = top * (1 - fy) + low * fy;
    }
  }
  return out;
}

// One value a cell: what there is before anything is made smooth.
function spread(map, [h, w], height, width) {
  const out = new Float32Array(height * width);
  for (let y = 0, i = 0; y < height; y++) {
    const row = Math.floor(y * h / height) * w;
    for (let x = 0; x < width; x++, i++) out[i] = map[row + Math.floor(x * w / width)];
  }
  return out;
}

// The value that the last colour stands for.
function top(map) {
  return shared.checked ? Math.max(...view.maps.map(({max}) => max)) : map.max;
}

function isCut(panel) {
  return SETTINGS.together ? cutAll.checked : panel.kept;
}

// [strength, tau, kept area] of a panel: its own, or the one whose kept area is nearest to the first panel's.
function row(panel) {
  const own = panel.map.tables[rule][strength.value];
  if (!SETTINGS.together || !level.checked || panel === view.panels[0]) return own;
  const area = view.panels[0].map.tables[rule][strength.value][2], distance = ([, , kept]) => Math.abs(kept - area);
  return [...panel.map.tables.percentile].reduce((best, next) => (distance(next) < distance(best) ? next : best));
}

// The tissue under the whole map: made once a palette and opacity, so that a threshold only chooses between two pictures.
function blend(map) {
  const colours = bytes(PALETTES[palette.value]), a = opacity.value / 100, {heat} = map, max = top(map);
  const tissue = view.tissue, out = new Uint8ClampedArray(tissue);
  if (map.max > 0) {
    for (let i = 0; i < heat.length; i++) {
      const p = 4 * i, q = 3 * Math.min(255, Math.floor(heat[i] / max * 255 + 0.5));
      for (let c = 0; c < 3; c++) out[p + c] = tissue[p + c] * (1 - a) + colours[q + c] * a;
    }
  }
  map.blended = new Uint32Array(out.buffer);
  const [r, g, b] = colours.slice(-3);
  view.line = new Uint32Array(new Uint8Array([r, g, b, 255]).buffer)[0];
}

function paintWhole(panel) {
  panel.out.set(panel.map.blended);
  panel.pen.putImageData(panel.image, 0, 0);
}

function paintKept(panel, tau) {
  const {out, map: {heat, blended, max}} = panel, {plain, width, height, line} = view;
  if (max <= 0) out.set(plain);
  else if (!contour.checked) {
    for (let i = 0; i < out.length; i++) out[i] = heat[i] >= tau ? blended[i] : plain[i];
  } else {
    out.set(plain);
    for (let y = 0, i = 0; y < height; y++) {
      for (let x = 0; x < width; x++, i++) {
        if (heat[i] >= tau && ((x > 0 && heat[i - 1] < tau) || (x < width - 1 && heat[i + 1] < tau)
            || (y > 0 && heat[i - width] < tau) || (y < height - 1 && heat[i + width] < tau))) out[i] = line;
      }
    }
  }
  panel.pen.putImageData(panel.image, 0, 0);
}

// Three significant digits of the maximum, and as many decimals for every threshold of the same map.
function number(x, max) {
  return x.toFixed(max > 0 ? Math.min(9, Math.max(0, 2 - Math.floor(Math.log10(max)))) : 0);
}

function describe(map, area) {
  const {words: target, layer} = view, {title} = map;
  if (map.max <= 0) return `No positive evidence for ${target} at ${layer}: the map is zero everywhere.`;
  const start = `${title} for ${target} is strongest at the ${map.place}; `;
  if (area === 0) return start + "the dynamic threshold lies above the map's maximum and keeps nothing.";
  return start + `the dynamic threshold keeps ${(100 * area).toFixed(1)} % of the area.`;
}

function repaint() {
  const chosen = RULES[rule];
  if (!view) return;
  const steps = view.maps[0].tables[rule], idle = SETTINGS.together && !cutAll.checked;
  Object.assign(strength, {max: steps.length - 1, disabled: steps.length < 2 || idle});
  level.disabled = idle;
  strength.value = positions[rule];
  const value = steps[strength.value][0], shown = chosen.parameter ? `${chosen.parameter} = ${value.toFixed(2)}` : 'no control';
  strength.setAttribute('aria-valuetext', shown);
  find('.strength .name').textContent = chosen.parameter ? `strength ${chosen.parameter === 'share' ? '' : chosen.parameter}` : 'no control';
  find('.strength output').textContent = chosen.parameter ? value.toFixed(2) : '';
  find('.meaning').textContent = chosen.meaning;
  const areas = view.panels.map(paint);
  if (SETTINGS.together) words.textContent = overview(areas);
  wipe.repaint();
  followers.forEach(follow => follow());
  // Spoken when the control rests: a reader would otherwise queue up every step.
  clearTimeout(speak);
  speak = setTimeout(() => { live.textContent = words.textContent; }, 600);
}

// Draws a panel and says what it shows; the area that its threshold keeps.
function paint(panel) {
  const {map, canvas, notice, reading, cut, at} = panel, [, tau, area] = row(panel), said = describe(map, area);
  const here = view.probe ? ` · here ${number(map.heat[view.probe.index], map.max)}` : '';
  if (isCut(panel)) {
    paintKept(panel, tau);
    cut.hidden = false;
    cut.style.width = `${map.max > 0 ? Math.min(100, Math.max(0, 100 * tau / top(map))) : 100}%`;
    reading.textContent = `τ = ${number(tau, map.max)} · keeps ${(100 * area).toFixed(1)} %${here}`;
    notice.textContent = map.max <= 0 ? said : area === 0 ? 'The threshold lies above the maximum: nothing is kept.' : '';
    words.textContent = said;
  } else {
    if (panel.drawn !== map.blended) paintWhole(panel);
    cut.hidden = true;
    reading.textContent = `raw maximum ${number(map.max, map.max)}${here}`;
    notice.textContent = map.max <= 0 ? said : '';
  }
  panel.drawn = isCut(panel) ? null : map.blended;
  canvas.setAttribute('aria-label', `${panel.title}. ${said}`);
  at.hidden = !view.probe;
  if (view.probe) Object.assign(at.style, {left: `${100 * view.probe.x}%`, top: `${100 * view.probe.y}%`});
  return area;
}

function overview(areas) {
  const {words: target, layer} = view, n = view.panels.length, percent = area => (100 * area).toFixed(1);
  const start = `${n} ${n > 1 ? 'different maps' : 'map'} for ${target} at ${layer}`;
  if (!cutAll.checked) return `${start}.`;
  return `${start}; thresholded they keep ${percent(Math.min(...areas))} to ${percent(Math.max(...areas))} % of the area.`;
}

function recolour() {
  if (!view) return;
  view.maps.forEach(blend);
  const colours = bytes(PALETTES[palette.value]);
  const stops = Array.from({length: 17}, (_, i) => 3 * Math.min(255, 16 * i)).map(q => `rgb(${colours.slice(q, q + 3).join()})`);
  for (const {bar, most, map} of view.panels) {
    bar.style.background = `linear-gradient(to right, ${stops.join()})`;
    most.textContent = number(top(map), top(map));
  }
  repaint();
}

function build(sent) {
  const figure = make('figure', panels), {width, height} = view, map = view.maps[sent.map];
  make('h2', figure, {textContent: sent.title});
  const stage = make('div', figure, {className: 'stage'});
  const canvas = make('canvas', stage, {width, height});
  canvas.setAttribute('role', 'img');
  const at = make('i', stage, {className: 'at', hidden: true});
  canvas.addEventListener('click', event => probe(event.offsetX / canvas.clientWidth, event.offsetY / canvas.clientHeight));
  const notice = make('p', stage, {className: 'notice'}), scale = make('div', figure, {className: 'scale'});
  make('span', scale, {textContent: '0'});
  const bar = make('div', scale, {className: 'bar'});
  const most = make('span', scale, {title: 'the value of the last colour, in raw units'}), cut = make('i', bar);
  const reading = make('p', figure, {className: 'reading'});
  if (sent.note) make('p', figure, {className: 'reading', textContent: sent.note});
  const image = new ImageData(width, height), out = new Uint32Array(image.data.buffer);
  return {...sent, map, canvas, at, notice, bar, most, cut, reading, image, out, pen: canvas.getContext('2d')};
}

// Every map's raw value at a place, given as shares of width and height.
function probe(x, y) {
  const within = v => Math.min(Math.max(v, 0), 1), [column, line] = [within(x) * view.width, within(y) * view.height].map(Math.floor);
  const index = Math.min(line, view.height - 1) * view.width + Math.min(column, view.width - 1);
  view.probe = {x: within(x), y: within(y), index};
  repaint();
}

async function show() {
  const sent = props.value;
  panels.setAttribute('aria-busy', String(Boolean(sent)));
  if (!sent) {
    view = null;
    panels.replaceChildren();
    words.textContent = 'Choose a patch.';
    download.disabled = true;
    return;
  }
  const picture = new Image();
  picture.src = sent.picture;
  await picture.decode();
  if (sent.picture !== props.value?.picture || sent.words !== props.value.words) return;  // a later value has come in
  const {naturalWidth: width, naturalHeight: height} = picture;
  const pen = Object.assign(document.createElement('canvas'), {width, height}).getContext('2d');
  pen.drawImage(picture, 0, 0);
  const tissue = pen.getImageData(0, 0, width, height).data;
  const maps = sent.maps.map(({raw, grid, cells, ...rest}) =>
    ({...rest, heat: (cells ? spread : upsample)(new Float32Array(bytes(raw).buffer), [...grid], height, width)}));
  const place = view?.probe && view.width === width && view.height === height ? view.probe : null;
  view = {probe: place, words: sent.words, layer: sent.layer, width, height, tissue, plain: new Uint32Array(tissue.buffer), maps};
  panels.replaceChildren();
  view.panels = [...sent.panels].map(build);
  panels.dataset.count = view.panels.length;
  wipe.show();
  panels.setAttribute('aria-busy', 'false');
  download.disabled = false;
  recolour();
}

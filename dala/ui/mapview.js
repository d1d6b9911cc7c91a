// The map view: draws what Python sent, and holds no rule and no statistics of its own.
// props.value: {picture, words, layer, maps: [{title, raw, grid, max, place, tables}], panels: [{title, map, kept}]}, or null.
// A table's rows are [strength, tau, kept area]. props is a proxy: it is read once a value, never in a loop.

const find = selector => element.querySelector(selector);
const [panels, rules, strength, words, live] = ['.panels', '.rules', '.strength input', '.words', '.live'].map(find);
const [opacity, palette, contour, download] = ['.opacity', '.palette', '.contour', '.download'].map(find);
const RULES = props.rules, PALETTES = props.palettes, radios = {}, positions = {};
let view = null, speak = 0, rule = props.start_rule;
const followers = [];  // called after every repaint

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

// The tissue under the whole map: made once a palette and opacity, so that a threshold only chooses between two pictures.
function blend(map) {
  const colours = bytes(PALETTES[palette.value]), a = opacity.value / 100, {heat, max} = map;
  const tissue = view.tissue, out = new Uint8ClampedArray(tissue);
  if (max > 0) {
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
  const steps = view.maps[0].tables[rule];
  Object.assign(strength, {max: steps.length - 1, disabled: steps.length < 2});
  strength.value = positions[rule];
  const value = steps[strength.value][0], shown = chosen.parameter ? `${chosen.parameter} = ${value.toFixed(2)}` : 'no control';
  strength.setAttribute('aria-valuetext', shown);
  find('.strength .name').textContent = chosen.parameter ? `strength ${chosen.parameter === 'share' ? '' : chosen.parameter}` : 'no control';
  find('.strength output').textContent = chosen.parameter ? value.toFixed(2) : '';
  find('.meaning').textContent = chosen.meaning;
  for (const panel of view.panels) {
    const {map, kept} = panel, [, tau, area] = map.tables[rule][strength.value];
    const said = describe(map, area);
    if (kept) {
      paintKept(panel, tau);
      panel.cut.style.width = `${map.max > 0 ? Math.min(100, Math.max(0, 100 * tau / map.max)) : 100}%`;
      panel.reading.textContent = `τ = ${number(tau, map.max)} · keeps ${(100 * area).toFixed(1)} %`;
      panel.notice.textContent = map.max <= 0 ? said : area === 0 ? 'The threshold lies above the maximum: nothing is kept.' : '';
      words.textContent = said;
    } else {
      paintWhole(panel);
      panel.notice.textContent = map.max <= 0 ? said : '';
    }
    panel.canvas.setAttribute('aria-label', `${panel.title}. ${said}`);
  }
  followers.forEach(follow => follow());
  // Spoken when the control rests: a reader would otherwise queue up every step.
  clearTimeout(speak);
  speak = setTimeout(() => { live.textContent = words.textContent; }, 600);
}

function recolour() {
  if (!view) return;
  view.maps.forEach(blend);
  const colours = bytes(PALETTES[palette.value]);
  const stops = Array.from({length: 17}, (_, i) => 3 * Math.min(255, 16 * i)).map(q => `rgb(${colours.slice(q, q + 3).join()})`);
  for (const {bar} of view.panels) bar.style.background = `linear-gradient(to right, ${stops.join()})`;
  repaint();
}

function build(sent) {
  const figure = make('figure', panels), {width, height} = view, map = view.maps[sent.map];
  make('h2', figure, {textContent: sent.title});
  const stage = make('div', figure, {className: 'stage'});
  const canvas = make('canvas', stage, {width, height});
  canvas.setAttribute('role', 'img');
  const notice = make('p', stage, {className: 'notice'}), scale = make('div', figure, {className: 'scale'});
  make('span', scale, {textContent: '0'});
  const bar = make('div', scale, {className: 'bar'});
  make('span', scale, {textContent: number(map.max, map.max), title: 'maximum of the raw map, in units of the logit'});
  const cut = sent.kept ? make('i', bar) : null;
  const reading = make('p', figure, {className: 'reading', textContent: `raw maximum ${number(map.max, map.max)}`});
  const image = new ImageData(width, height), out = new Uint32Array(image.data.buffer);
  return {...sent, map, canvas, notice, bar, cut, reading, image, out, pen: canvas.getContext('2d')};
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
  const maps = sent.maps.map(({raw, grid, ...rest}) =>
    ({...rest, heat: upsample(new Float32Array(bytes(raw).buffer), [...grid], height, width)}));
  view = {words: sent.words, layer: sent.layer, width, height, tissue, plain: new Uint32Array(tissue.buffer), maps};
  panels.replaceChildren();
  view.panels = [...sent.panels].map(build);
  panels.setAttribute('aria-busy', 'false');
  download.disabled = false;
  recolour();
}

for (const [name, {label}] of Object.entries(RULES)) {
  positions[name] = RULES[name].start;
  const line = make('label', rules);
  radios[name] = make('input', line, {type: 'radio', name: `rule-${props.uid}`, value: name, checked: name === rule});
  line.append(label);
}
for (const name of Object.keys(PALETTES)) make('option', palette, {value: name, textContent: name});
opacity.value = props.opacity;
download.disabled = true;

rules.addEventListener('change', event => { rule = event.target.value; repaint(); });
strength.addEventListener('input', () => { positions[rule] = Number(strength.value); repaint(); });
opacity.addEventListener('input', recolour);
palette.addEventListener('change', recolour);
contour.addEventListener('change', repaint);
download.addEventListener('click', () => trigger('download', {
  rule, strength: view.maps[0].tables[rule][strength.value][0], opacity: opacity.value / 100,
  palette: palette.value, contour: contour.checked,
  strengths: Object.fromEntries(Object.keys(RULES).map(name => [name, view.maps[0].tables[name][positions[name]][0]])),
}));
watch('value', show);
show();

// Axes, paths and marks of a chart as SVG, for the charts of the threshold lab. Lengths are fractions of the axes.
(dala => {
'use strict';

const SVG = 'http://www.w3.org/2000/svg';
const SIZE = {height: 150, left: 46, right: 14, top: 10, bottom: 24};

function draw(name, parent, attributes = {}, text = '') {
  const node = parent.appendChild(document.createElementNS(SVG, name));
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.textContent = text;
  return node;
}

// Linear interpolation; xs rise.
function between(x, xs, ys) {
  const above = xs.findIndex(v => v >= x), i = above < 0 ? xs.length - 1 : Math.max(1, above);
  return ys[i - 1] + (ys[i] - ys[i - 1]) * (x - xs[i - 1]) / (xs[i] - xs[i - 1]);
}

// A figure in a parent: title and value on one line, the meaning below, then the chart.
function chart(parent, title, text) {
  const {make} = dala.mapview, figure = make('figure', parent), line = make('div', figure, {className: 'title'});
  make('h3', line, {textContent: title});
  const value = make('output', line), meaning = make('p', figure, {className: 'meaning-of', textContent: text});
  const svg = draw('svg', figure, {role: 'img', height: SIZE.height});
  return {title, svg, value, meaning};
}

// Draws the axes of a chart and sets c.x and c.y, from fractions to pixels. Labels are [fraction, text].
function frame(c, across, up) {
  const width = Math.max(160, c.svg.clientWidth), right = width - SIZE.right, low = SIZE.height - SIZE.bottom;
  c.x = f => SIZE.left + f * (right - SIZE.left);
  c.y = f => low + f * (SIZE.top - low);
  c.svg.replaceChildren();
  c.svg.setAttribute('viewBox', `0 0 ${width} ${SIZE.height}`);
  for (const [f, label] of up) {
    draw('line', c.svg, {class: 'grid', x1: SIZE.left, x2: right, y1: c.y(f), y2: c.y(f)});
    draw('text', c.svg, {x: SIZE.left - 6, y: c.y(f) + 4, 'text-anchor': 'end'}, label);
  }
  across.forEach(([f, label], i) => {
    const anchor = ['start', 'middle', 'end'][i];
    draw('text', c.svg, {x: c.x(f), y: SIZE.height - 6, 'text-anchor': anchor}, label);
  });
}

function bars(c, shares, clip) {
  const n = shares.length, most = Math.max(...shares) || 1, {x, y} = c;
  const d = shares.map((share, i) => `M${x(i / n)} ${y(0)}V${y(share / most)}H${x((i + 1) / n)}V${y(0)}Z`).join('');
  draw('path', c.svg, {class: 'bars', d});
  draw('path', c.svg, {class: 'bars lit', d, 'clip-path': `url(#${clip})`});
  c.lit = draw('rect', draw('clipPath', c.svg, {id: clip}), {y: 0, height: SIZE.height, width: c.svg.clientWidth});
}

function path(c, points) {
  return points.map(([x, y], i) => `${i ? 'L' : 'M'}${c.x(x).toFixed(1)} ${c.y(y).toFixed(1)}`).join('');
}

// The vertical line at the threshold and, optionally, a dot on the curve.
function mark(c, dot) {
  c.mark = draw('line', c.svg, {class: 'mark', y1: c.y(0), y2: c.y(1)});
  c.dot = dot ? draw('circle', c.svg, {class: 'dot', r: 5}) : null;
}

function place(c, f, height) {
  c.mark.setAttribute('x1', c.x(f));
  c.mark.setAttribute('x2', c.x(f));
  if (c.dot) {
    c.dot.setAttribute('cx', c.x(f));
    c.dot.setAttribute('cy', c.y(height));
  }
}

dala.plot = {draw, between, chart, frame, bars, path, mark, place};
})(globalThis.dala ??= {});

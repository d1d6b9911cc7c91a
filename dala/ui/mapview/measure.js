// The threshold lab under a map view: its charts, and the controls that measure their curves.
// Python sends curves as a "curve" event on .charts: {run, done, total}, {run, failed}, or
// {run, baseline, runs, areas, curves}; `run` is the number of the measurement that this page started.
(dala => {
'use strict';

function build(lab) {
  const {make} = dala.mapview, {bar, viewer: {settings: {charts}}} = lab;
  const choice = make('label', bar, {textContent: 'hidden pixels become '});
  const baseline = make('select', choice, {className: 'baseline'});
  for (const [value, label] of Object.entries(charts.baselines)) make('option', baseline, {value, textContent: label});
  baseline.value = charts.baseline;
  const line = make('label', bar), controls = make('input', line, {type: 'checkbox', className: 'beside'});
  line.append('with a random and a centred map (three times as long)');
  const go = make('button', bar, {type: 'button', className: 'go', textContent: 'measure'});
  const halt = make('button', bar, {type: 'button', className: 'halt', textContent: 'stop', hidden: true});
  const progress = make('progress', bar, {max: 1, hidden: true}), count = make('span', bar, {className: 'count'});
  progress.setAttribute('aria-label', 'pictures measured');
  return {baseline, controls, go, halt, progress, count, run: 0, active: false};
}

// Shows the controls of a measurement that runs, or of none.
function settle({data}, measurement, active) {
  const {go, halt, progress, count} = measurement, focused = document.activeElement === halt;
  measurement.active = active;
  go.disabled = active || !data || !(data.top > 0);
  go.hidden = active;
  halt.hidden = progress.hidden = !active;
  progress.removeAttribute('value');
  count.textContent = active ? 'waiting for the network' : '';
  // A button that hides would take the keyboard focus with it.
  if (focused && !active) go.focus();
}

function measure(lab, measurement) {
  const {baseline, controls, halt} = measurement;
  settle(lab, measurement, true);
  halt.focus();
  measurement.run++;
  const options = {baseline: baseline.value, controls: controls.checked, run: measurement.run};
  lab.viewer.host.trigger('measure', options);
}

function stop(lab, measurement) {
  measurement.run++;
  lab.viewer.host.trigger('stop', {});
  settle(lab, measurement, false);
}

// A new value: its charts replace the old ones; the curves stay where the map is the same.
function take(lab, measurement) {
  const charts = lab.viewer.host.props.value?.charts;
  if (measurement.active) stop(lab, measurement);
  if (!charts) {
    lab.data = lab.curves = null;
    dala.charts.clear(lab);
  } else {
    if (charts.key !== lab.data?.key) { lab.curves = null; lab.note.textContent = ''; }
    lab.data = JSON.parse(JSON.stringify(charts));
  }
  settle(lab, measurement, false);
  dala.charts.redraw(lab);
}

// Progress or the end of a measurement; an older one's is ignored.
function receive(lab, measurement, message) {
  const {progress, count, run, active} = measurement;
  if (message.run !== run || !active) return;
  if (message.total) {
    progress.value = message.done / message.total;
    count.textContent = `${message.done} of ${message.total} pictures`;
    return;
  }
  settle(lab, measurement, false);
  if (message.failed) return;
  lab.curves = message;
  dala.charts.redraw(lab);
}

// Adds the charts to a viewer.
function attach(viewer) {
  const lab = dala.charts.build(viewer), measurement = build(lab), redraw = () => dala.charts.redraw(lab);
  let shown = null;
  lab.root.addEventListener('curve', ({detail}) => receive(lab, measurement, detail ? JSON.parse(detail) : {}));
  measurement.go.addEventListener('click', () => measure(lab, measurement));
  measurement.halt.addEventListener('click', () => stop(lab, measurement));
  lab.switches.addEventListener('change', redraw);
  viewer.extras.scale = () => dala.charts.scale(lab);
  new ResizeObserver(redraw).observe(lab.root);
  viewer.onPaint.push(() => {
    if (viewer.scene === shown) return dala.charts.move(lab);
    shown = viewer.scene;
    take(lab, measurement);
  });
  viewer.host.watch('value', () => {
    if (viewer.host.props.value) return;
    shown = null;
    take(lab, measurement);
  });
  settle(lab, measurement, false);
}

dala.measure = {attach};
})(globalThis.dala ??= {});

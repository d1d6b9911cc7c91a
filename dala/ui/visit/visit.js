// The visit: keeps the address in step with the picture and the tab, and restores both after a reload, Back or a link.
//
// props.value: the address of the picture on screen, {sample, upload, class, magnification, part}, with a serial
// number, so that two uploads differ; or null.
(dala => {
'use strict';

const PICTURE = ['sample', 'upload', 'class', 'magnification', 'part'];
const GONE = 'The uploaded picture is not in this browser any more, and a link never holds it: here is a sample.';

const tabs = () => [...document.querySelectorAll('.tabs > .tab-wrapper [role=tab]')];
// The theme's style sheet reads from it which tab is open.
const row = () => document.querySelector('.page');
const pick = query => Object.fromEntries(PICTURE.map(name => [name, query.get(name) ?? '']));
const same = (a, b, names = PICTURE) => names.every(name => (a[name] ?? '') === (b[name] ?? ''));

function say(visit, text) {
  visit.said.textContent = text;
}

// Opens the tab of the address, the first one without a name there.
async function openTab() {
  const frame = () => new Promise(requestAnimationFrame);
  for (let i = 0; i < 120 && !tabs().length; i++) await frame();
  const name = dala.address.query().get('tab'), all = tabs();
  const tab = all.find(({dataset: {tabId}}) => tabId === name) ?? all[0];
  row().dataset.tab = tab?.dataset.tabId ?? '';
  if (tab?.getAttribute('aria-selected') === 'false') tab.click();
}

// A tab that the visitor chose; Back returns to the one before.
function tabClicked(visit, tab) {
  const {tabId} = tab.dataset, [first] = tabs();
  row().dataset.tab = tabId;
  if (!visit.restoring) dala.address.write({tab: tab === first ? null : tabId}, true);
}

async function restore(visit, wanted) {
  const file = wanted.upload ? visit.file ?? await dala.keep.get() : null;
  if (!wanted.upload) return visit.host.trigger('open', wanted);
  if (file) {
    visit.wanted = wanted;
    return dala.intake.take(file);
  }
  say(visit, GONE);
  visit.host.trigger('open', {...wanted, upload: ''});
}

// A picture is on screen: its address, and the rest of what was asked for.
function shown(visit) {
  const now = visit.host.props.value && {...visit.host.props.value}, {wanted} = visit;
  if (!now) return;
  if (now.upload && visit.file) dala.keep.put(visit.file);
  visit.wanted = null;
  const moved = !same(now, pick(dala.address.query()), ['sample', 'upload']);
  dala.address.write(pick(new Map(Object.entries(now))), visit.begun && moved && !visit.going);
  Object.assign(visit, {begun: true, going: false});
  if (wanted && !same(now, wanted)) visit.host.trigger('open', wanted);
}

// Back or forward: the tab and the picture of that address, with the settings of the view as they are now.
async function went(visit) {
  const settings = [...dala.address.before()].filter(([name]) => ![...PICTURE, 'tab'].includes(name));
  const wanted = pick(dala.address.query()), now = visit.host.props.value ?? {};
  dala.address.write(Object.fromEntries(settings));
  visit.restoring = true;
  await openTab();
  visit.restoring = false;
  if (same(now, wanted)) return;
  visit.going = true;
  restore(visit, wanted);
}

function start(host) {
  const visit = {
    host, said: host.element.querySelector('.said'), file: null, wanted: null, begun: false, going: false,
    restoring: true,
  };
  dala.keep.tidy();
  dala.controls.watch();
  dala.intake.listen(text => say(visit, text), file => { visit.file = file; say(visit, ''); });
  // Where the browser gives no clipboard, its button could only fail.
  row().dataset.clipboard = navigator.clipboard?.read ? 'yes' : 'no';
  host.watch('value', () => shown(visit));
  addEventListener('popstate', () => went(visit));
  document.addEventListener('click', ({target}) => {
    const tab = target.closest?.('[role=tab]');
    if (tab && tabs().includes(tab)) tabClicked(visit, tab);
  }, {capture: true});
  openTab().then(() => { visit.restoring = false; });
  const wanted = pick(dala.address.query());
  if (wanted.upload) restore(visit, wanted);
}

dala.visit = {start};
})(globalThis.dala ??= {});

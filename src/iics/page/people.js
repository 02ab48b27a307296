// Corrections by button, tap or key. One identity and one question of it are the marked ones, which keys act on. What
// was sent is waited for: a key that is pressed meanwhile would answer a question that nobody has seen.
let person = '', question = '', next = [], answered = '', last = null, isSent = false;
const all = (selector, within = element) => [...within.querySelectorAll(selector)];
const card = () => element.querySelector(`.iics-person[data-person="${CSS.escape(person)}"]`);
const asked = () => element.querySelector('.iics-ask-one[data-here]');
const chosen = () => all('.iics-sight[aria-pressed="true"]', card() || element);

const show = (node) => node && node.scrollIntoView({ block: 'nearest', behavior: 'instant' });
const mark = () => {
  all('[data-here]').forEach((node) => { node.removeAttribute('data-here'); node.removeAttribute('aria-current'); });
  const here = card();
  if (!here) return;
  here.setAttribute('data-here', '');
  here.setAttribute('aria-current', 'true');
  const questions = all('.iics-ask-one', here);
  const one = questions.find((each) => each.dataset.question === question) || questions[0];
  question = one ? one.dataset.question : '';
  if (one) one.setAttribute('data-here', '');
  const count = chosen().length;
  all('[data-do="split"]').forEach((button) => {
    const isHere = here.contains(button);
    button.disabled = !isHere || !count || count === all('.iics-sight', here).length + all('.iics-sight-more', here).length;
    button.querySelector('[data-chosen]').textContent = isHere && count ? String(count) : 'the chosen';
  });
};
const goTo = (node) => {
  if (!node) return;
  const own = node.closest('.iics-person');
  if (own.dataset.person !== person) all('.iics-sight[aria-pressed="true"]').forEach((each) => each.setAttribute('aria-pressed', 'false'));
  person = own.dataset.person;
  question = node.dataset.question || '';
  mark();
};
const step = (by) => {
  const cards = all('.iics-person');
  const target = cards[cards.indexOf(card()) + by];
  if (target) { goTo(target); target.scrollIntoView({ block: 'start', behavior: 'instant' }); target.focus({ preventScroll: true }); return; }
  const shown = element.querySelector('.iics-people');
  const page = Number(shown.dataset.page) + by;
  if (page >= 1 && page <= Number(shown.dataset.lastPage)) send({ do: 'page', number: page });
};
const skip = () => {
  const questions = all('.iics-ask-one');
  const target = questions[questions.indexOf(asked()) + 1];
  if (target) { goTo(target); show(target); } else step(1);
};
const send = (told) => {
  if (isSent) return;
  isSent = true;
  const questions = all('.iics-ask-one');
  next = questions.slice(questions.indexOf(asked()) + 1).map((each) => each.dataset.question);
  if (told.do === 'page') { person = question = ''; next = []; }
  element.setAttribute('data-sent', '');
  last = told;
  setTimeout(() => { if (told === last) isSent = false; }, 20000); // refused, or lost: it may be sent again
  trigger('tell', told);
};
const whose = (here) => ({ person: here.dataset.person, version: here.dataset.version });
const act = {
  yes: (button) => answer(button, 'yes'),
  no: (button) => answer(button, 'no'),
  skip: (button) => { goTo(button.closest('.iics-ask-one')); skip(); },
  split: () => chosen().length && send({ do: 'split', ...whose(card()), keys: chosen().map((each) => each.dataset.key) }),
  alike: (button) => { goTo(button.closest('.iics-person')); send({ do: 'alike', ...whose(card()) }); },
};
const answer = (button, said) => {
  const one = button.closest('.iics-ask-one');
  goTo(one);
  button.setAttribute('aria-pressed', 'true');
  const { own, theirs, other, otherVersion } = one.dataset;
  send({ do: said, ...whose(card()), own, theirs, other, otherVersion });
};
const press = (button) => {
  const own = button.closest('.iics-person');
  if (own && own.dataset.person !== person) goTo(own);
  const does = act[button.dataset.do];
  if (does) does(button); else send({ do: button.dataset.do, number: button.dataset.number || '' });
};

element.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  const own = event.target.closest('.iics-person');
  if (button && button.dataset.do) { press(button); return; }
  if (own) goTo(event.target.closest('.iics-ask-one') || own);
  if (button && button.dataset.key) {
    button.setAttribute('aria-pressed', String(button.getAttribute('aria-pressed') !== 'true'));
    mark();
  }
});
element.addEventListener('submit', (event) => {
  event.preventDefault();
  goTo(event.target.closest('.iics-person'));
  const field = event.target.querySelector('input');
  if (field.value.trim()) send({ do: 'join', ...whose(card()), number: field.value.trim() });
  else field.focus();
});
element.addEventListener('focusin', (event) => {
  const own = event.target.closest('.iics-person');
  if (own && own.dataset.person !== person) goTo(own);
});
const along = (by) => {
  const tiles = card() ? all('.iics-sight', card()) : [];
  const at = tiles.indexOf(document.activeElement);
  const target = tiles[at < 0 ? (by > 0 ? 0 : tiles.length - 1) : at + by];
  if (target) { target.focus(); show(target); }
};
const keys = {
  j: () => step(1), k: () => step(-1),
  arrowright: () => along(1), arrowleft: () => along(-1),
  m: () => { const field = card() && card().querySelector('[data-join] input'); if (field) { field.focus(); show(field); } },
};
document.addEventListener('keydown', (event) => {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || !element.offsetParent) return;
  if (event.target.closest('input, textarea, select, [contenteditable]')) {
    if (event.key === 'Escape' && element.contains(event.target)) { event.target.blur(); event.preventDefault(); }
    return;
  }
  const key = event.key.toLowerCase();
  const selector = `button[aria-keyshortcuts="${CSS.escape(key)}"]:not(:disabled)`;
  const places = [asked(), card(), element.querySelector('.iics-bar')];
  const button = places.map((place) => place && place.querySelector(selector)).find((found) => found);
  if (keys[key]) keys[key](); else if (button) press(button); else return;
  event.preventDefault();
});
// After each answer of the server: to the question that came next, or to what the server says. gradio changes the nodes
// there are into the new ones, so marks and what was chosen are gone, and a field still holds what was typed.
const settle = () => {
  const shown = element.querySelector('.iics-people');
  if (!shown || shown.dataset.answer === answered) return;
  answered = shown.dataset.answer;
  const wasSent = isSent;
  isSent = false;
  element.removeAttribute('data-sent');
  all('[data-join] input').forEach((field) => { field.value = ''; });
  if (!wasSent) { person = question = ''; next = []; } // another list
  const wanted = shown.dataset.focus;
  const target = (wanted && element.querySelector(`.iics-person[data-person="${CSS.escape(wanted)}"]`))
    || next.map((name) => all('.iics-ask-one').find((each) => each.dataset.question === name)).find((each) => each)
    || all('.iics-ask-one').find((each) => each.dataset.question === question)
    || card() || element.querySelector('.iics-person');
  goTo(target);
  if (wasSent && target) target.scrollIntoView({ block: target.matches('.iics-person') ? 'start' : 'center', behavior: 'instant' });
};
watch('value', settle);
settle();

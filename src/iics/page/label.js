// Answers go to the server by button or key. Until the next pair is there, further ones are not taken: they would be
// answers to a pair that nobody has seen.
const send = (button) => {
  const asked = button.closest('.iics-ask');
  if (asked.dataset.sent) return;
  asked.dataset.sent = 'yes';
  button.setAttribute('aria-pressed', 'true');
  trigger('answer', { pair: asked.dataset.pair || '', answer: button.dataset.answer, pairs: button.dataset.pairs || '' });
};
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-answer]');
  if (button) send(button);
});
document.addEventListener('keydown', (event) => {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  const button = element.querySelector(`[aria-keyshortcuts="${CSS.escape(event.key.toLowerCase())}"]`);
  if (button) send(button);
});
